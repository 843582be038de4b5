/* The limits of a program that is WebAssembly, as they are written. */
#include "cli/wasm_policy.h"

#include "cli/cli.h"
#include "env/values.h"
#include "module/compiler.h"
#include <nexus/toml.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { MANIFEST_MOST = 1 << 20, PATH_SIZE = 4096 };

static const struct limit {
    const char *flag, *key;
    enum nx__value_kind kind;
    bool is_small; /* 32 bits */
    size_t offset;
    const char *example;
} limits[] = {
    {NULL, "max_memory", NX__VALUE_SIZE, false, offsetof(nx_wasm_policy, max_memory), "64M"},
    {"--max-table-elements", "max_table_elements", NX__VALUE_INT, false,
     offsetof(nx_wasm_policy, max_table_elements), "10000"},
    {"--max-stack", "max_stack", NX__VALUE_SIZE, false, offsetof(nx_wasm_policy, max_stack), "64K"},
    {"--max-cpu-time", "max_cpu_time", NX__VALUE_DURATION, false,
     offsetof(nx_wasm_policy, max_cpu_time), "5s"},
    {"--deadline", "deadline", NX__VALUE_DURATION, false, offsetof(nx_wasm_policy, deadline),
     "10s"},
    {"--fuel", "fuel", NX__VALUE_SIZE, false, offsetof(nx_wasm_policy, fuel), "100M"},
    {NULL, "max_open_files", NX__VALUE_INT, true, offsetof(nx_wasm_policy, max_open_files), "64"},
    {"--max-kv", "max_kv", NX__VALUE_SIZE, false, offsetof(nx_wasm_policy, max_kv), "1M"},
    {"--random-seed", "random_seed", NX__VALUE_INT, false, offsetof(nx_wasm_policy, random_seed),
     "7"},
    {"--clock", "clock", NX__VALUE_DURATION, false, offsetof(nx_wasm_policy, clock), "1700000000s"},
};

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a size is stored as 64 bits");

/* False where it is no such value. */
static bool parse(const struct limit *limit, const char *text, int64_t *out)
{
    union nx__value value;
    struct nx__value_range range = {.least = 1, .most = limit->is_small ? UINT32_MAX : INT64_MAX};
    if (!nx__value_parse(limit->kind, text, range, &value)) return false;
    *out = value.number;
    return true;
}

static void store(const struct limit *limit, nx_wasm_policy *policy, int64_t number)
{
    void *at = (char *)policy + limit->offset;
    uint32_t small = (uint32_t)number;
    memcpy(at, limit->is_small ? (const void *)&small : &number,
           limit->is_small ? sizeof small : sizeof number);
}

static bool is_open(const struct limit *limit, const nx_wasm_policy *policy)
{
    static const char none[sizeof(int64_t)] = {0};
    return memcmp((const char *)policy + limit->offset, none,
                  limit->is_small ? sizeof(uint32_t) : sizeof none) == 0;
}

nx_err nx__wasm_policy_flag(struct nx__run *run, const char *argument, bool *taken)
{
    *taken = true;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct limit *limit = &limits[i];
        size_t len = limit->flag ? strlen(limit->flag) : 0;
        if (!len || strncmp(argument, limit->flag, len) != 0) continue;
        if (argument[len] && argument[len] != '=') continue;
        int64_t number;
        if (!argument[len] || !parse(limit, argument + len + 1, &number))
            return nx__error_set(NX_EUSAGE, "%s needs a value above 0, with its unit, as in %s=%s",
                                 limit->flag, limit->flag, limit->example);
        store(limit, &run->wasm, number);
        run->wasm_flag = limit->flag;
        return NX_OK;
    }
    *taken = false;
    return NX_OK;
}

/* ---- nexus.toml */

static nx_err limit_read(const struct limit *limit, nx_toml value, nx_wasm_policy *policy)
{
    int64_t number = 0;
    char text[NX__VALUE_TEXT];
    bool good = false;
    if (nx_toml_kind_of(value) == NX_TOML_STRING) {
        good = parse(limit, nx_toml_string(value, "").data, &number);
    } else if (nx_toml_kind_of(value) == NX_TOML_INT && limit->kind != NX__VALUE_DURATION) {
        (void)snprintf(text, sizeof text, "%lld", (long long)nx_toml_int(value, 0));
        good = parse(limit, text, &number);
    }
    if (!good)
        return nx_toml_fail(value, "%s needs a value above 0, as in %s = \"%s\"", limit->key,
                            limit->key, limit->example);
    if (is_open(limit, policy)) store(limit, policy, number);
    return NX_OK;
}

/* A directory of the project, by its own path. */
static nx_err directory_find(nx_toml value, const char *root, const char *path, const char **out)
{
    char real[PATH_SIZE];
    const char *joined = nx_format("%s/%s", root, path);
    if (!joined) return NX_ENOMEM;
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (path[0] == '/' || !realpath(joined, real))
        return nx_toml_fail(value, "\"%.100s\" is no directory of the project", path);
    if (strncmp(real, root, len) != 0 || (real[len] && real[len] != '/'))
        return nx_toml_fail(value, "\"%.100s\" leads out of the project; --dir gives what is there",
                            path);
    *out = nx_copy(nx_str(real));
    return *out ? NX_OK : NX_ENOMEM;
}

static nx_err directories_read(struct nx__run *run, nx_toml list, const char *root, bool read_only)
{
    for (size_t i = 0; i < nx_toml_count(list); i++) {
        nx_toml value = nx_toml_get(list, i);
        char *path = nx_copy(nx_toml_string(value, ""));
        if (!path) return NX_ENOMEM;
        char *guest = strstr(path, "::");
        if (guest) *guest = '\0';
        const char *real = NULL;
        if (!*path || (guest && !guest[2]))
            return nx_toml_fail(value, "a directory is written as \"data\" or \"data::/data\"");
        NX_TRY(directory_find(value, root, path, &real));
        if (run->dirs_count == NX__DIRS_MOST)
            return nx_toml_fail(value, "there are more than %d directories", NX__DIRS_MOST);
        const char *pair = nx_format("%s::%s", real, guest ? guest + 2 : path);
        if (!pair) return NX_ENOMEM;
        run->dirs_read_only[run->dirs_count] = read_only;
        run->dirs[run->dirs_count++] = pair;
    }
    return NX_OK;
}

static nx_err environment_read(struct nx__run *run, nx_toml list)
{
    for (size_t i = 0; i < nx_toml_count(list); i++) {
        nx_toml value = nx_toml_get(list, i);
        const char *pair = nx_copy(nx_toml_string(value, ""));
        if (!pair) return NX_ENOMEM;
        if (!strchr(pair, '=') || *pair == '=')
            return nx_toml_fail(value, "a variable is written as \"NAME=VALUE\"");
        if (run->env_count == NX__ENV_MOST)
            return nx_toml_fail(value, "there are more than %d variables", NX__ENV_MOST);
        run->env[run->env_count++] = pair;
    }
    return NX_OK;
}

static nx_err key_read(struct nx__run *run, nx_bytes name, nx_toml value, const char *root)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (nx_bytes_eq(name, nx_str(limits[i].key)))
            return limit_read(&limits[i], value, &run->wasm);
    bool read_only = nx_bytes_eq(name, nx_str("read_only_dirs"));
    bool dirs = read_only || nx_bytes_eq(name, nx_str("dirs"));
    if (!dirs && !nx_bytes_eq(name, nx_str("env")))
        return nx_toml_fail(value, "[wasm] has no key \"%.*s\"", NX_FMT(name));
    if (nx_toml_kind_of(value) != NX_TOML_ARRAY)
        return nx_toml_fail(value, "%.*s needs a list of strings", NX_FMT(name));
    return dirs ? directories_read(run, value, root, read_only) : environment_read(run, value);
}

nx_err nx__wasm_policy_read(struct nx__run *run)
{
    char real[PATH_SIZE], root[NX__ROOT_MOST], path[PATH_SIZE + 16];
    if (!realpath(run->file, real)) return NX_OK; /* it has gone since it was compiled */
    nx__project_root(real, root);
    (void)snprintf(path, sizeof path, "%s/nexus.toml", strcmp(root, "/") == 0 ? "" : root);
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(path, MANIFEST_MOST, &text);
    if (err == NX_ENOENT) return NX_OK;
    nx_toml toml;
    if (!err) err = nx_toml_parse(nx_slice(text.data, text.len), &toml, .name = "nexus.toml");
    nx__buffer_free(&text);
    NX_TRY(err);
    nx_toml wasm = nx_toml_get(toml, "wasm");
    if (nx_toml_is(wasm) && nx_toml_kind_of(wasm) != NX_TOML_TABLE)
        return nx_toml_fail(wasm, "wasm has to be a table, [wasm]");
    for (nx_toml_each each = nx_toml_begin(wasm); nx_toml_next(&each);)
        NX_TRY(key_read(run, each.name, each.value, root));
    return NX_OK;
}
