/* Grants of a project, from its nexus.toml. */
#include "cli/permission_sets.h"

#include "cli/cli.h"
#include "loop/loop.h"
#include "module/compiler.h"
#include "module/internal.h"
#include "permission/rules.h"
#include <errno.h>
#include <nexus/toml.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_MOST = 1 << 20 };

/* Words that mean something else to --permissions, or will. */
static bool is_reserved(nx_bytes name)
{
    return nx_bytes_eq(name, nx_str("none")) || nx_bytes_eq(name, nx_str("strict")) ||
           nx_bytes_eq(name, nx_str("packages"));
}

nx_err nx__permission_sets_flag(struct nx__run *run, const char *name)
{
    if (!name || !*name)
        return nx__error_set(
            NX_EUSAGE,
            "--permissions needs the name of a set in nexus.toml, as in --permissions=dev; none leaves that file out, strict has the kernel hold all");
    if (strcmp(name, "none") == 0) {
        run->no_sets = true;
        return NX_OK;
    }
    if (strcmp(name, "strict") == 0) {
        run->strict = true;
        return NX_OK;
    }
    if (run->sets_count == NX__SETS_MOST)
        return nx__error_set(NX_EUSAGE, "--permissions may be given %d times", NX__SETS_MOST);
    run->sets[run->sets_count++] = name;
    return NX_OK;
}

static bool root_of(const char *file, char root[NX__ROOT_MOST])
{
    char real[NX__PATH_MAX];
    if (!realpath(file, real)) return false;
    nx__project_root(real, root);
    return true;
}

void nx__permission_sets_path(const char *file, char path[NX__PATH_MAX])
{
    char root[NX__ROOT_MOST];
    path[0] = '\0';
    if (!root_of(file, root)) return;
    int n = snprintf(path, NX__PATH_MAX, "%s/nexus.toml", strcmp(root, "/") == 0 ? "" : root);
    if (n < 0 || n >= NX__PATH_MAX) path[0] = '\0';
}

nx_err nx__permission_sets_project(struct nx__permissions *permissions, const char *file)
{
    char root[NX__ROOT_MOST];
    if (!root_of(file, root)) return NX_OK;
    return nx__permissions_grant(permissions, NX__PERMIT_WASM, root);
}

/* ---- Whose words they are */

/* A grant to write a file opens its directory to the kernel's eyes. */
static const struct nx__rule *writer_of(const struct nx__permissions *p, const char *path)
{
    const char *name = strrchr(path, '/');
    for (const struct nx__rule *rule = nx__rules_first(&p->allow[NX__PERMIT_WRITE]); rule;
         rule = rule->next) {
        struct stat st;
        const char *slash = strrchr(rule->text, '/');
        bool beside = slash - rule->text == name - path &&
                      strncmp(rule->text, path, (size_t)(name - path)) == 0 &&
                      (stat(rule->text, &st) != 0 || !S_ISDIR(st.st_mode));
        if (beside || nx__path_beneath(path, rule->text)) return rule;
    }
    return NULL;
}

bool nx__permission_sets_writes(const struct nx__permissions *p, const char *path)
{
    return p->allow[NX__PERMIT_WRITE].any || writer_of(p, path);
}

nx_err nx__permission_sets_trust(const struct nx__run *run, const char *path)
{
    struct stat st;
    char clean[100], real[NX__PATH_MAX], what[60];
    const struct nx__permissions *p = &run->permissions;
    nx__printable(clean, sizeof clean, path);
    if (!realpath(path, real) || stat(real, &st) != 0)
        return nx__error_system(errno, "cannot read \"%s\"", clean);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return nx__error_set(
            NX_EPERM,
            "\"%s\" may hold no permissions, as it belongs to another user; give them as flags, with --permissions=none",
            clean);
    if (st.st_mode & S_IWOTH)
        return nx__error_set(
            NX_EPERM,
            "\"%s\" may hold no permissions, as everybody may write it; chmod o-w keeps others out",
            clean);
    if (p->all) return NX_OK; /* there is no more that it could grant itself */
    const struct nx__rule *rule = writer_of(p, path);
    if (!rule) rule = writer_of(p, real);
    bool any = p->allow[NX__PERMIT_WRITE].any;
    if (!any && !rule) return NX_OK;
    nx__printable(what, sizeof what, any ? "all there is" : rule->text);
    if (!any && access(rule->text, F_OK) != 0)
        return nx__error_set(
            NX_EPERM,
            "nexus.toml may hold no permissions where the program may write %s, which is not there: make that folder, or it could write what is beside it",
            what);
    return nx__error_set(
        NX_EPERM,
        "nexus.toml may hold no permissions where the program may write %s, and so the file; grant it ./data or the like, or grant by flags with --permissions=none",
        what);
}

/* ---- The table */

/* Entries that are paths begin at the project. */
static const char *entry_path(enum nx__permit_kind kind, const char *root, const char *text)
{
    bool is_socket = kind == NX__PERMIT_NET && strncmp(text, "unix:", 5) == 0;
    const char *path = is_socket ? text + 5 : text;
    bool named = kind == NX__PERMIT_ENV || kind == NX__PERMIT_SYS ||
                 (kind == NX__PERMIT_NET && (!is_socket || *path == '@')) ||
                 (kind == NX__PERMIT_RUN && !strchr(text, '/'));
    if (named || *path == '/' || !*path) return text;
    return nx_format("%s%s/%s", is_socket ? "unix:" : "", root, path);
}

static nx_err entry_read(struct nx__permissions *out, const struct nx__permission_key *key,
                         const char *root, nx_toml value)
{
    nx_bytes text = nx_toml_string(value, "");
    if (nx_toml_kind_of(value) != NX_TOML_STRING)
        return nx_toml_fail(value, "an entry is a string, as in read = [\"./data\"]");
    if (text.len != strlen(text.data)) return nx_toml_fail(value, "an entry has a NUL in it");
    const char *entry = entry_path(key->kind, root, text.data);
    if (!entry) return NX_ENOMEM;
    nx_err err = nx__permissions_add(out, key, entry, strlen(entry));
    return err == NX_EUSAGE ? nx_toml_fail(value, "%s", nx__error_last()->message) : err;
}

static nx_err key_read(struct nx__permissions *out, nx_bytes name, const char *root, nx_toml value)
{
    struct nx__permission_key key;
    if (nx_bytes_eq(name, nx_str("all")))
        return nx_toml_fail(value, "all is granted on the command line alone, by --allow-all");
    if (!nx__permission_named(name.data, name.len, &key))
        return nx_toml_fail(
            value,
            "[permissions] has no key \"%.*s\"; it has read, write, net, listen, connect, env, run, ffi, sys, wasm, and deny- before each",
            NX_FMT(name));
    if (nx_toml_kind_of(value) == NX_TOML_BOOL) {
        if (nx_toml_bool(value, false)) nx__permissions_add_all(out, &key);
        return NX_OK;
    }
    if (nx_toml_kind_of(value) != NX_TOML_ARRAY)
        return nx_toml_fail(value, "%.*s needs a list of strings, or true for all there are",
                            NX_FMT(name));
    for (size_t i = 0; i < nx_toml_count(value); i++)
        NX_TRY(entry_read(out, &key, root, nx_toml_get(value, i)));
    return NX_OK;
}

/* Named sets lie in [permissions] beside its own keys. */
static nx_err set_read(struct nx__permissions *out, const char *root, nx_toml set, bool is_default)
{
    for (nx_toml_each each = nx_toml_begin(set); nx_toml_next(&each);) {
        struct nx__permission_key key;
        bool is_set = is_default && nx_toml_kind_of(each.value) == NX_TOML_TABLE &&
                      !nx__permission_named(each.name.data, each.name.len, &key);
        if (is_set && nx_bytes_eq(each.name, nx_str("packages"))) continue;
        if (is_set && is_reserved(each.name))
            return nx_toml_fail(each.value,
                                "no set can be called \"%.*s\": it is a word of Nexus's",
                                NX_FMT(each.name));
        if (!is_set) NX_TRY(key_read(out, each.name, root, each.value));
    }
    return NX_OK;
}

static nx_err table_read(struct nx__run *run, const char *root, nx_toml table)
{
    if (nx_toml_kind_of(table) != NX_TOML_TABLE)
        return nx_toml_fail(table, "permissions has to be a table, [permissions]");
    if (!run->sets_count) return set_read(&run->permissions, root, table, true);
    for (size_t i = 0; i < run->sets_count; i++) {
        nx_toml set = nx_toml_get(table, run->sets[i]);
        struct nx__permission_key key;
        bool is_key = nx__permission_named(run->sets[i], strlen(run->sets[i]), &key);
        char clean[64];
        if (!nx_toml_is(set) || is_key)
            return nx__error_set(NX_EUSAGE, "nexus.toml has no [permissions.%s]",
                                 nx__printable(clean, sizeof clean, run->sets[i]));
        if (nx_toml_kind_of(set) != NX_TOML_TABLE || is_reserved(nx_str(run->sets[i])))
            return nx_toml_fail(set, "\"%s\" is no set of permissions",
                                nx__printable(clean, sizeof clean, run->sets[i]));
        NX_TRY(set_read(&run->permissions, root, set, false));
    }
    return NX_OK;
}

/* ---- Packages */

static nx_err package_read(struct nx__run *run, const char *root, nx_bytes name, nx_toml table)
{
    struct nx__permissions own = {0};
    char folder[NX__PATH_MAX];
    if (nx_toml_kind_of(table) != NX_TOML_TABLE)
        return nx_toml_fail(table,
                            "a package's permissions are a table, [permissions.packages.%.*s]",
                            (int)(name.len < 60 ? name.len : 60), name.data);
    if (name.len >= NX__PACKAGE_NAME_MOST)
        return nx_toml_fail(table, "no package has a name of %zu bytes", name.len);
    struct nx__package *package = calloc(1, sizeof *package);
    if (!package) return nx__error_set(NX_ENOMEM, "cannot read nexus.toml: out of memory");
    memcpy(package->name, name.data, name.len);
    package->next = run->packages;
    run->packages = package;
    nx_err err = NX_OK;
    for (nx_toml_each each = nx_toml_begin(table); !err && nx_toml_next(&each);) {
        bool isolates = nx_bytes_eq(each.name, nx_str("isolate"));
        if (isolates && nx_toml_kind_of(each.value) != NX_TOML_BOOL)
            err = nx_toml_fail(each.value, "isolate is true or false");
        else if (isolates)
            package->isolate = nx_toml_bool(each.value, false);
        else
            err = key_read(&own, each.name, root, each.value);
    }
    if (!err) err = nx__permissions_narrow(&package->permissions, &run->permissions, &own);
    nx__permissions_free(&own);
    if (err) return err;
    /* What is said of a name that is mistyped would hold nobody. */
    int len = snprintf(folder, sizeof folder, "%s/nexus_modules/%s", root, package->name);
    if (len < 0 || (size_t)len >= sizeof folder || access(folder, F_OK) != 0)
        return nx_toml_fail(table, "there is no package \"%s\" in nexus_modules", package->name);
    return nx__permissions_grant(&package->permissions, NX__PERMIT_WASM, folder);
}

/* In force whatever set is chosen: they only take away. */
static nx_err packages_read(struct nx__run *run, const char *root, nx_toml table)
{
    nx_toml packages = nx_toml_get(table, "packages");
    if (!nx_toml_is(packages)) return NX_OK;
    if (nx_toml_kind_of(packages) != NX_TOML_TABLE)
        return nx_toml_fail(packages, "packages has a table for each, [permissions.packages.NAME]");
    for (nx_toml_each each = nx_toml_begin(packages); nx_toml_next(&each);)
        NX_TRY(package_read(run, root, each.name, each.value));
    return NX_OK;
}

static nx_err file_read(struct nx__run *run, const char *path)
{
    char root[NX__PATH_MAX];
    struct nx__buffer text = {0};
    nx_toml toml = {NULL, NULL};
    nx_err err = *path ? nx__read_small(path, MANIFEST_MOST, &text) : NX_ENOENT;
    if (!err) err = nx_toml_parse(nx_slice(text.data, text.len), &toml, .name = "nexus.toml");
    nx__buffer_free(&text);
    if (err && err != NX_ENOENT) return err;
    nx_toml table = nx_toml_get(toml, "permissions");
    if (!nx_toml_is(table) && run->sets_count && !run->no_sets)
        return nx__error_set(NX_EUSAGE, "--permissions=%.60s names a set of a nexus.toml, which %s",
                             run->sets[0], err ? "the project has not" : "has no [permissions]");
    if (!nx_toml_is(table)) return NX_OK;
    (void)snprintf(root, sizeof root, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (!run->no_sets) NX_TRY(table_read(run, root, table));
    NX_TRY(packages_read(run, root, table));
    return run->no_sets ? NX_OK : nx__permission_sets_trust(run, path);
}

nx_err nx__permission_sets_read(struct nx__run *run)
{
    static struct nx_loop memory; /* never runs: what is read goes to its scope */
    char path[NX__PATH_MAX];
    if (run->no_sets && run->sets_count)
        return nx__error_set(NX_EUSAGE,
                             "--permissions=none and --permissions=%.60s exclude each other",
                             run->sets[0]);
    NX_TRY(nx__permission_sets_project(&run->permissions, run->file));
    nx__permission_sets_path(run->file, path);
    nx__loop_current = &memory;
    nx_err err = file_read(run, path);
    nx__loop_current = NULL;
    nx__arena_reset(&memory.root.arena);
    return err;
}
