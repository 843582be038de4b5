/* The least that a program needs, from what it has asked for. */
#include "base/buffer.h"
#include "cli/access.h"
#include "cli/cli.h"
#include "cli/permission_sets.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    NEEDS_MOST = 4096,
    SIBLINGS = 8, /* as many files of a directory stand for all of it */
    OUTPUT_MOST = 1 << 22,
};

struct need {
    int key; /* of `keys` */
    char *text;
};

static const struct {
    enum nx__permit_kind kind;
    enum nx__use use;
} keys[] = {
    {NX__PERMIT_READ, NX__USE_ANY},   {NX__PERMIT_WRITE, NX__USE_ANY},
    {NX__PERMIT_NET, NX__USE_LISTEN}, {NX__PERMIT_NET, NX__USE_CONNECT},
    {NX__PERMIT_ENV, NX__USE_ANY},    {NX__PERMIT_RUN, NX__USE_ANY},
    {NX__PERMIT_FFI, NX__USE_ANY},    {NX__PERMIT_SYS, NX__USE_ANY},
    {NX__PERMIT_WASM, NX__USE_ANY},
};
enum { KEYS = sizeof keys / sizeof *keys };

static struct need needs[NEEDS_MOST];
static size_t need_count;
static bool incomplete;

static bool is_path(int key, const char *text)
{
    enum nx__permit_kind kind = keys[key].kind;
    return kind == NX__PERMIT_READ || kind == NX__PERMIT_WRITE || kind == NX__PERMIT_FFI ||
           kind == NX__PERMIT_WASM || (kind == NX__PERMIT_RUN && text[0] == '/');
}

static void need_add(int key, const char *text)
{
    for (size_t i = 0; i < need_count; i++)
        if (needs[i].key == key && strcmp(needs[i].text, text) == 0) return;
    char *copy = need_count < NEEDS_MOST ? strdup(text) : NULL;
    incomplete |= !copy;
    if (copy) needs[need_count++] = (struct need){.key = key, .text = copy};
}

/* What the program has without a grant. */
static bool is_free(const struct nx__run *run, enum nx__permit_kind kind, const char *what)
{
    static struct nx__permissions base;
    static bool made;
    if (!made) made = nx__permission_sets_project(&base, run->file) == NX_OK;
    return kind != NX__PERMIT_NET && nx__permissions_verdict(&base, kind, what) == NX__GRANTED;
}

void nx__suggest_note(const struct nx__run *run, enum nx__permit_kind kind, enum nx__use use,
                      const char *what)
{
    char path[NX__PATH_MAX];
    /* What is not set is no different for who may not see it. */
    if (kind == NX__PERMIT_ENV && !getenv(what)) return;
    for (int key = 0; key < KEYS; key++) {
        if (keys[key].kind != kind || !(keys[key].use & use)) continue;
        if (is_free(run, kind, what)) return;
        bool resolved =
            is_path(key, what) && (kind == NX__PERMIT_RUN ? nx__path_resolve_parent(what, path)
                                                          : nx__path_resolve(what, path));
        if (resolved || !is_path(key, what)) need_add(key, resolved ? path : what);
        return;
    }
}

/* ---- The least */

static size_t folder_len(const char *path)
{
    size_t len = (size_t)(strrchr(path, '/') - path);
    return len ? len : 1;
}

static size_t siblings_of(const struct need *need)
{
    size_t len = folder_len(need->text), count = 0;
    for (size_t i = 0; i < need_count; i++)
        count += needs[i].key == need->key && folder_len(needs[i].text) == len &&
                 memcmp(needs[i].text, need->text, len) == 0;
    return count;
}

/* Many files of a directory become it; and what a list can't hold does. */
static void folders_make(void)
{
    for (size_t i = 0; i < need_count; i++) {
        if (!is_path(needs[i].key, needs[i].text) || keys[needs[i].key].kind == NX__PERMIT_RUN)
            continue;
        size_t len = folder_len(needs[i].text);
        if (len > 1 && siblings_of(&needs[i]) >= SIBLINGS) {
            char folder[NX__PATH_MAX];
            (void)snprintf(folder, sizeof folder, "%.*s", (int)len, needs[i].text);
            need_add(needs[i].key, folder);
        }
        while (strchr(needs[i].text, ',') && folder_len(needs[i].text) > 1)
            needs[i].text[folder_len(needs[i].text)] = '\0';
    }
}

/* Another entry stands for it too: the directory that it is in, or its name with a port. */
static bool is_covered(const struct need *need)
{
    size_t len = strlen(need->text);
    for (const struct need *other = needs; other < needs + need_count; other++) {
        if (other == need || other->key != need->key) continue;
        bool same = strcmp(other->text, need->text) == 0;
        if (same && other > need) continue;
        bool path = is_path(need->key, need->text);
        if (path && keys[need->key].kind != NX__PERMIT_RUN &&
            nx__path_beneath(need->text, other->text))
            return true;
        if (same) return true;
        bool network = keys[need->key].kind == NX__PERMIT_NET;
        if (network && strncmp(other->text, need->text, len) == 0 && other->text[len] == ':')
            return true;
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct need *)a)->text, ((const struct need *)b)->text);
}

/* ---- As text */

static nx_err put_text(struct nx__buffer *out, const char *format, const char *text)
{
    return nx__buffer_printf(out, OUTPUT_MOST, format, text);
}

/* From the folder where that is above it. */
static const char *shorten(int key, const char *text, const char *folder)
{
    size_t len = strlen(folder);
    if (!is_path(key, text) || keys[key].kind == NX__PERMIT_RUN || len < 2) return text;
    if (strcmp(text, folder) == 0) return ".";
    return strncmp(text, folder, len) == 0 && text[len] == '/' ? text + len + 1 : text;
}

static nx_err flags_put(struct nx__buffer *out, const struct nx__run *run)
{
    char folder[NX__PATH_MAX], clean[NX__PATH_MAX], word[2 * NX__PATH_MAX];
    if (!getcwd(folder, sizeof folder)) folder[0] = '\0';
    NX_TRY(put_text(out, "nexus run %s", nx__shell_word(word, sizeof word, run->file)));
    for (int key = 0; key < KEYS; key++) {
        bool first = true;
        for (size_t i = 0; i < need_count; i++) {
            if (needs[i].key != key) continue;
            const char *text =
                nx__printable(clean, sizeof clean, shorten(key, needs[i].text, folder));
            if (first)
                NX_TRY(put_text(
                    out, " --allow-%s=", nx__permission_name(keys[key].kind, keys[key].use)));
            if (!first) NX_TRY(put_text(out, "%s", ","));
            NX_TRY(put_text(out, "%s", nx__shell_word(word, sizeof word, text)));
            first = false;
        }
    }
    return put_text(out, "%s", "\n");
}

/* As TOML has it in double quotes. */
static nx_err toml_string_put(struct nx__buffer *out, const char *text)
{
    NX_TRY(put_text(out, "%s", "\""));
    for (; *text; text++) {
        const char one[2] = {*text, '\0'};
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
            NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, "\\u%04x", byte));
        else
            NX_TRY(put_text(out, byte == '"' || byte == '\\' ? "\\%s" : "%s", one));
    }
    return put_text(out, "%s", "\"");
}

static nx_err toml_put(struct nx__buffer *out, const struct nx__run *run)
{
    char folder[NX__PATH_MAX], clean[NX__PATH_MAX];
    nx__permission_sets_path(run->file, folder);
    if (folder[0]) *strrchr(folder, '/') = '\0';
    NX_TRY(put_text(out, "%s", "\n[permissions]\n"));
    for (int key = 0; key < KEYS; key++) {
        bool first = true;
        for (size_t i = 0; i < need_count; i++) {
            if (needs[i].key != key) continue;
            if (first)
                NX_TRY(put_text(out, "%s = [", nx__permission_name(keys[key].kind, keys[key].use)));
            if (!first) NX_TRY(put_text(out, "%s", ", "));
            const char *text = shorten(key, needs[i].text, folder);
            NX_TRY(toml_string_put(out, nx__printable(clean, sizeof clean, text)));
            first = false;
        }
        if (!first) NX_TRY(put_text(out, "%s", "]\n"));
    }
    return NX_OK;
}

int nx__suggest_print(const struct nx__run *run)
{
    struct nx__buffer out = {0};
    folders_make();
    size_t kept = 0;
    bool covered[NEEDS_MOST];
    for (size_t i = 0; i < need_count; i++) covered[i] = is_covered(&needs[i]);
    for (size_t i = 0; i < need_count; i++)
        if (covered[i])
            free(needs[i].text);
        else
            needs[kept++] = needs[i];
    need_count = kept;
    qsort(needs, need_count, sizeof *needs, by_text);
    nx_err err = flags_put(&out, run);
    if (!err && need_count) err = toml_put(&out, run);
    int code = err ? nx__cli_fail(err) : nx__cli_write(out.data);
    if (incomplete) nx__cli_say("it needs more than is kept here: this is not all");
    nx__buffer_free(&out);
    return code;
}
