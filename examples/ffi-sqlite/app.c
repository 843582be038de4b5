/* SQLite, as a library of the system, without its headers and without linking it:
 *
 *     nexus run app.c --allow-ffi */
#include <nexus/module.h>
#include <nexus/runtime.h>
#include <stdio.h>

/* What sqlite3.h says of what is used here. */
typedef struct sqlite3 sqlite3;
typedef int (*row_fn)(void *arg, int count, char **values, char **names);

static struct {
    int (*open)(const char *path, sqlite3 **out);
    int (*exec)(sqlite3 *db, const char *sql, row_fn row, void *arg, char **error);
    const char *(*errmsg)(sqlite3 *db);
    int (*close)(sqlite3 *db);
} sqlite;

static nx_err load(void)
{
    nx_module *library;
    NX_TRY(nx_import(&library, "libsqlite3.so.0"));
    NX_TRY(nx_symbol(library, "sqlite3_open", &sqlite.open));
    NX_TRY(nx_symbol(library, "sqlite3_exec", &sqlite.exec));
    NX_TRY(nx_symbol(library, "sqlite3_errmsg", &sqlite.errmsg));
    return nx_symbol(library, "sqlite3_close", &sqlite.close);
}

/* Called on the thread that executes: of the runtime, printing alone is allowed there. */
static int show(void *arg, int count, char **values, char **names)
{
    (void)arg;
    for (int i = 0; i < count; i++)
        printf("%s%s: %s", i ? ", " : "", names[i], values[i] ? values[i] : "nothing");
    printf("\n");
    return 0;
}

static const char script[] = "CREATE TABLE fruit (name TEXT, cents INTEGER);"
                             "INSERT INTO fruit VALUES ('apple', 30), ('pear', 40);"
                             "SELECT name, cents FROM fruit ORDER BY cents DESC;"
                             "SELECT count(*) AS kinds FROM fruit;";

/* SQLite waits for the disk and for locks: not on the loop's thread. */
static nx_err execute(void *db)
{
    return sqlite.exec(db, script, show, NULL, NULL) ? NX_EFAILED : NX_OK;
}

int main(void)
{
    sqlite3 *db = NULL;
    NX_TRY(load());
    nx_err err = sqlite.open(":memory:", &db) ? NX_EFAILED : NX_OK;
    if (!err) err = nx_blocking(execute, db);
    if (err) err = nx_fail(err, "SQLite says: %s", sqlite.errmsg(db));
    (void)sqlite.close(db);
    return err;
}
