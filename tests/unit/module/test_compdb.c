/* compile_commands.json: what is there is kept, whatever it is. */
#include "module/compdb.h"

#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct project {
    const char *app, *part, *file;
} project;

static nx_err project_setup(project *p)
{
    char *real = realpath(nx_test_dir(), NULL), *dir = real ? nx_copy(nx_str(real)) : NULL;
    free(real);
    if (!dir || setenv("NEXUS_CACHE", nx_format("%s/.cache", dir), 1) != 0) return NX_EFAILED;
    p->app = nx_format("%s/app.c", dir);
    p->part = nx_format("%s/part.c", dir);
    p->file = nx_format("%s/compile_commands.json", dir);
    NX_TRY(nx_fs_write_file(nx_format("%s/nexus.toml", dir), nx_str("")));
    NX_TRY(nx_fs_write_file(p->app, nx_str("")));
    return nx_fs_write_file(p->part, nx_str(""));
}

static void project_teardown(project *p)
{
    (void)p;
}

NX_FIXTURE(project, project_setup, project_teardown);

/* Writes the file with both sources in it; `before` is what is there. */
static nx_err keep(const project *p, const char *before, nx_bytes *after)
{
    struct nx__compdb db = {0};
    if (before) NX_TRY(nx_fs_write_file(p->file, nx_str(before)));
    nx__compdb_add(&db, p->app);
    nx__compdb_add(&db, p->part);
    nx__compdb_add(&db, p->app);
    nx__compdb_add(&db, "/elsewhere/x.c");
    nx_err err = nx__compdb_write(&db, p->app);
    nx_expect_eq(db.count, 0);
    NX_IGNORE(nx_fs_read_file(p->file, after));
    return err;
}

static size_t count_of(nx_bytes text, const char *word)
{
    size_t n = 0;
    for (const char *at = text.data; (at = strstr(at, word)); at++) n++;
    return n;
}

NX_TEST_WITH(project, p, "an entry for each source of the project")
{
    nx_bytes first, second;
    struct stat before, after;
    nx_require_ok(keep(p, NULL, &first));
    nx_expect_eq(count_of(first, "\"file\""), 2);
    nx_expect_contains(first, p->part);
    nx_expect_contains(first, "/h/current\"");
    nx_expect_eq(count_of(first, "elsewhere"), 0);
    nx_require_eq(stat(p->file, &before), 0);
    nx_require_ok(keep(p, NULL, &second));
    nx_require_eq(stat(p->file, &after), 0);
    nx_expect_eq(after.st_ino, before.st_ino); /* not written again */
    nx_expect_eq(unlink(p->part), 0);
    struct nx__compdb db = {0};
    nx__compdb_add(&db, p->app);
    nx_require_ok(nx__compdb_write(&db, p->app));
    nx_require_ok(nx_fs_read_file(p->file, &second));
    nx_expect_eq(count_of(second, "\"file\""), 1);
}

NX_TEST_WITH(project, p, "entries of others stay")
{
    static const char *const others[] = {
        "[]",
        " [ ] \n",
        "[{}]",
        "[{\"file\": \"part.c\", \"arguments\": [\"cc\", \"]}\\\"\"], \"x\": {\"y\": [1, null]}}]",
        "[{\"file\": 7}, {\"directory\": [], \"file\": \"\\u0061pp.c\"},\n{\"output\": \"a\\\\\"}]",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        nx_subtest ("%s", others[i]) {
            nx_bytes text;
            nx_require_ok(keep(p, others[i], &text));
            nx_expect_contains(text, p->app);
            for (const char *at = others[i]; (at = strchr(at, '{')); at++) {
                size_t len = strcspn(at, "}") + 1;
                nx_expect_contains(text, nx_slice(at, len));
            }
        }
}

NX_TEST_WITH(project, p, "what is no list of commands is left alone")
{
    static const char *const rubbish[] = {
        "{",
        "[",
        "[{",
        "[{\"",
        "[{\"a\\",
        "[{\"a\"",
        "[{\"a\":",
        "[{\"a\": 1",
        "[{\"a\": [}",
        "[{\"a\": \"",
        "[{\"a\": \"\\",
        "[{}",
        "[{},",
        "[] []",
        "[1]",
        "null",
        "\"",
        "]",
        "[{}}]",
        "[{\"file\": \"\\\"}]",
    };
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++)
        nx_subtest ("%s", rubbish[i]) {
            nx_bytes text;
            nx_expect_err(NX_EINVAL, keep(p, rubbish[i], &text));
            nx_expect_eq(text, rubbish[i]);
        }
}

NX_TEST_WITH(project, p, "every beginning of a list is either one or left alone")
{
    static const char whole[] =
        "[{\"directory\": \"/x\", \"file\": \"a\\\\b.c\", \"arguments\": [\"cc\", {\"a\": \"]\"}]},\n{\"file\": \"part.c\"}]\n";
    for (size_t len = 1; len < sizeof whole; len++) {
        nx_bytes text;
        const char *part = nx_copy(nx_slice(whole, len));
        nx_err err = keep(p, part, &text);
        if (err) nx_expect_eq(text, part);
        if (!err) nx_expect_contains(text, p->app);
    }
}
