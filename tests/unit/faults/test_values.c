/* What makes values of text and of what the system says, where memory runs out or the system's
 * calls fail. */
#include "faults.h"

#include "loop/uring.h"
#include <errno.h>
#include <nexus/args.h>
#include <nexus/console.h>
#include <nexus/env.h>
#include <nexus/fs.h>
#include <nexus/glob.h>
#include <nexus/host.h>
#include <nexus/json.h>
#include <nexus/semver.h>
#include <nexus/test.h>
#include <nexus/text.h>

static nx_arg_list tags;
static const char *remote;
static int64_t id;
static const nx_command program = {.name = "tool",
                                   .summary = "does this and that",
                                   .options =
                                       NX_ARGS({.name = "tag", .to = NX_TO(&tags)},
                                               {.name = "id", .to = NX_TO(&id), .help = "of it"}),
                                   .arguments = NX_ARGS({.name = "host", .to = NX_TO(&remote)})};

static nx_err args(void)
{
    static const char *const words[] = {"tool", "--tag=a", "--tag", "b", "--id=7", "here", NULL};
    static const char *const help[] = {"tool", "--help", NULL};
    static const char *const wrong[] = {"tool", "--idd=7", NULL};
    nx_args read;
    tags = (nx_arg_list){0};
    NX_TRY(nx_args_parse(&program, 6, (char *const *)(uintptr_t)words, &read));
    nx_expect_eq(tags.count, 2);
    nx_expect_eq(remote, "here");
    NX_TRY(nx_args_parse(&program, 2, (char *const *)(uintptr_t)help, &read));
    nx_expect_contains(read.text, "does this and that");
    nx_err err = nx_args_parse(&program, 2, (char *const *)(uintptr_t)wrong, &read);
    return err == NX_EUSAGE ? NX_OK : err;
}

static nx_err env(void)
{
    nx_env_variable *variables;
    size_t count;
    const char *text;
    NX_TRY(nx_env_parse(nx_str("A=1\nB=\"two\\n\"\n# no more\nC=${A}\n"), &variables, &count));
    nx_expect_eq(count, 3);
    NX_TRY(nx_env_set("NX_T_FAULTS", "a"));
    NX_TRY(nx_env_text("NX_T_FAULTS", &text));
    nx_expect_eq(text, "a");
    NX_TRY(nx_env_list(&variables, &count));
    return nx_env_unset("NX_T_FAULTS");
}

static const char *env_path;

static nx_err env_file(void)
{
    NX_TRY(nx_env_load(env_path, .override = true));
    nx_expect_eq(nx_env("NX_T_LOADED"), "1");
    return nx_env_unset("NX_T_LOADED");
}

/* All or none are set. */
static void env_file_after(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)failed;
    if (err && nx_env("NX_T_LOADED")) nx_expect(nx_env("NX_T_LOADED_TOO") != NULL);
    NX_IGNORE(nx_env_unset("NX_T_LOADED"));
    NX_IGNORE(nx_env_unset("NX_T_LOADED_TOO"));
}

static nx_err glob(void)
{
    NX_AUTO(nx_glob) *glob = NULL;
    NX_TRY(nx_glob_new(&glob, "src/**/{a,b}*.[ch]"));
    nx_expect(nx_glob_matches(glob, nx_str("src/x/y/ab.c")));
    return NX_OK;
}

static nx_err semver(void)
{
    NX_AUTO(nx_semver_range) *range = NULL;
    NX_AUTO(nx_semver_range) *none = NULL;
    nx_semver version;
    nx_bytes text;
    NX_TRY(nx_semver_parse(nx_str("1.2.3-rc.1+7"), &version));
    NX_TRY(nx_semver_text(&version, &text));
    nx_expect_eq(text, "1.2.3-rc.1+7");
    NX_TRY(nx_semver_increment(&version, NX_SEMVER_PRERELEASE, "rc"));
    NX_TRY(nx_semver_range_new(&range, nx_str(">=1.0.0 <2 || ^3.1 || 5 - 7")));
    nx_err err = nx_semver_range_new(&none, nx_str("one"));
    return err == NX_EINVAL ? NX_OK : err;
}

static nx_err text(void)
{
    const nx_bytes pieces[] = {nx_str("a"), nx_str("b")};
    nx_bytes out;
    NX_TRY(nx_text_repair(nx_str("a\xff"), &out));
    NX_TRY(nx_text_lower(nx_str("\xc3\x84"), &out));
    NX_TRY(nx_text_replace(nx_str("aXbX"), nx_str("X"), nx_str("long"), &out));
    nx_expect_eq(out, "alongblong");
    NX_TRY(nx_text_join(pieces, 2, nx_str(", "), &out));
    NX_TRY(nx_text_repeat(nx_str("abc"), 1000, &out));
    NX_TRY(nx_text_pad_start(nx_str("a"), 80, '.', &out));
    NX_TRY(nx_text_double(1.5, &out));
    return nx_text_grouped(1234567, ",", &out);
}

/* The text in pieces of seven bytes. */
static nx_err piece_of(void *from, nx_bytes *piece)
{
    nx_bytes *rest = from;
    size_t len = rest->len < 7 ? rest->len : 7;
    *piece = nx_slice(rest->data, len);
    *rest = nx_slice(rest->data + len, rest->len - len);
    return NX_OK;
}

static nx_err json(void)
{
    nx_bytes source = nx_str("{\"list\":[1,2.5,\"three\\n\",null],\"more\":{\"a\":true}}"), out;
    nx_json tree;
    nx_json_reader *reader;
    nx_json_event event;
    NX_TRY(nx_json_parse(source, &tree));
    nx_expect_eq(nx_json_count(nx_json_get(tree, "list")), 4);
    NX_TRY(nx_json_text(tree, &out));
    nx_expect(nx_bytes_eq(out, source));
    NX_TRY(nx_json_write(nx_obj("a", nx_arr(1, "b", nx_obj("c", 1.5)), "json", nx_raw(out)), &out));
    NX_TRY(nx_json_reader_new(&reader, piece_of, &source));
    NX_TRY(nx_json_reader_next(reader, &event));
    NX_TRY(nx_json_reader_next(reader, &event));
    NX_TRY(nx_json_reader_tree(reader, &tree));
    nx_expect_eq(nx_json_count(tree), 4);
    nx_err err = nx_json_parse(nx_str("{\"a\":"), &tree);
    return err == NX_EINVAL ? NX_OK : err;
}

static nx_err host(void)
{
    nx_host machine = {.size = sizeof machine};
    nx_self self = {.size = sizeof self};
    nx_user user = {.size = sizeof user};
    nx_interface *interfaces;
    size_t count;
    const char *dir;
    NX_TRY(nx_host_get(&machine));
    NX_TRY(nx_self_get(&self));
    NX_TRY(nx_host_interfaces(&interfaces, &count));
    NX_TRY(nx_user_get(&user));
    return nx_user_dir(NX_DIR_TEMP, "app", &dir);
}

static nx_err table(void)
{
    nx_table *table = nx_table_new("name", "size");
    nx_table_row(table, "one", 1);
    nx_table_row(table, nx_style(NX_BOLD), nx_obj("a", 1));
    nx_err err = nx_table_print(table);
    nx_table_free(table);
    return err;
}

static const struct faults_scenario scenarios[] = {
    {.name = "command lines", .run = args},
    {.name = "variables", .run = env},
    {.name = "globs", .run = glob},
    {.name = "versions", .run = semver},
    {.name = "text", .run = text},
    {.name = "JSON", .run = json},
    {.name = "tables", .run = table},
    {.name = "variables in files", .run = env_file, .after = env_file_after},
    {.name = "the machine", .run = host}};
enum { COUNT = sizeof scenarios / sizeof *scenarios, WITH_CALLS = 2 };

static void begin(void)
{
    nx__uring_refused = true; /* so that functions are called */
    env_path = nx_format("%s/.env", nx_test_dir());
    nx_require_ok(nx_fs_write_file(env_path, nx_str("NX_T_LOADED=1\nNX_T_LOADED_TOO=2\n")));
}

NX_TEST("one allocation fails")
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, COUNT);
}

NX_TEST("memory runs out")
{
    begin();
    faults_run(FAULTS_NO_MEMORY, scenarios, COUNT);
}

NX_TEST("system calls fail")
{
    static const int all[] = {EIO, EINTR, EMFILE, FAULTS_SHORT};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        faults_run(all[i], scenarios + COUNT - WITH_CALLS, WITH_CALLS);
}
