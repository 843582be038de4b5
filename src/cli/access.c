/* What a program has asked for: where in its source, and whether it was granted. */
#include "cli/access.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/permission_sets.h"
#include "loop/crash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PLACES_MAX = 256,
    PLACE_TEXT = 320,
    LINE_MOST = 8 * NX__PATH_MAX, /* each byte of a text may take six */
};

/* Lines of the source that have asked, by where their code is. */
static struct place {
    char module[NX__BROKER_MODULE_MAX];
    uint64_t address;
    char text[PLACE_TEXT]; /* "app.c:12"; empty: nobody knows */
} * places;
static size_t place_count, place_next;
static int audit = -1;

bool nx__access_wanted(const struct nx__run *run)
{
    return run->trace_permissions || run->audit || run->suggest;
}

nx_err nx__access_begin(const struct nx__run *run)
{
    char path[NX__PATH_MAX], clean[160];
    if (!run->audit) return NX_OK;
    nx__printable(clean, sizeof clean, run->audit);
    if (!nx__path_resolve(run->audit, path))
        return nx__error_set(NX_EUSAGE, "--audit-permissions: \"%s\" is a link to nothing", clean);
    if (!run->permissions.all && nx__permission_sets_writes(&run->permissions, path))
        return nx__error_set(
            NX_EPERM,
            "the audit log \"%s\" lies where the program may write: it could forge it; choose a folder that it is not granted",
            clean);
    audit = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (audit < 0) return nx__error_system(errno, "cannot write the audit log \"%s\"", clean);
    return NX_OK;
}

/* ---- Where */

static const char *place_of(const struct nx__generation *generation, const char *module,
                            uint64_t address)
{
    if (!address) return "";
    if (!places && !(places = calloc(PLACES_MAX, sizeof *places))) return "";
    for (size_t i = 0; i < place_count; i++)
        if (places[i].address == address && strcmp(places[i].module, module) == 0)
            return places[i].text;
    struct place *place = &places[place_next++ % PLACES_MAX];
    if (place_count < PLACES_MAX) place_count++;
    static struct nx__crash_report report;
    static struct nx__crash_story story;
    report = (struct nx__crash_report){
        .magic = NX__CRASH_MAGIC, .kind = NX__CRASH_FAILED, .frame_count = 1, .module_count = 2};
    report.frames[0] = (struct nx__crash_frame){.address = address, .module = 1};
    /* A program that lies in memory has a path that cannot be opened. */
    if (generation && generation->so_path && strncmp(module, "/memfd:", 7) == 0 &&
        strncmp(module, generation->so_path, NX__CRASH_PATH - 1) == 0)
        (void)snprintf(report.modules[1], NX__CRASH_PATH, "/proc/self/fd/%d", generation->so_fd);
    else
        (void)snprintf(report.modules[1], NX__CRASH_PATH, "%.*s", NX__CRASH_PATH - 1, module);
    nx__crash_tell(&report, -1, &story);
    *place = (struct place){.address = address};
    (void)snprintf(place->module, sizeof place->module, "%.*s", (int)sizeof place->module - 1,
                   module);
    if (story.count && story.frames[0].file[0])
        (void)snprintf(place->text, sizeof place->text, "%s:%d", story.frames[0].file,
                       story.frames[0].line);
    return place->text;
}

/* ---- What is said */

static const char *verb_of(enum nx__permit_kind kind, enum nx__use use)
{
    return nx__permission_name(kind, kind == NX__PERMIT_NET && use == NX__USE_ANY ? NX__USE_CONNECT
                                                                                  : use);
}

/* Adds the text as JSON; what is no UTF-8 is told byte by byte, as Latin-1 has it. */
static size_t put_string(char *out, size_t room, const char *text)
{
    char latin[2 * NX__PATH_MAX];
    size_t n = 0;
    nx_err err;
    if (nx__utf8_valid(text, strlen(text)))
        return nx__json_write(nx_value_bytes(nx_str(text)), out, room, &err);
    for (; *text && n + 2 <= sizeof latin; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x80) latin[n++] = (char)(0xc0 | byte >> 6);
        latin[n++] = (char)(byte >= 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    return nx__json_write(nx_value_bytes(nx_slice(latin, n)), out, room, &err);
}

struct access {
    enum nx__permit_kind kind;
    enum nx__use use;
    const char *what, *place;
    bool granted;
    pid_t pid;
};

static void audit_write(const struct access *a)
{
    char line[LINE_MOST], time[32];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    size_t n = (size_t)snprintf(
        line, sizeof line,
        "{\"time\":\"%s.%03ldZ\",\"process\":%d,\"permission\":\"%s\",\"granted\":%s,\"what\":",
        time, now.tv_nsec / 1000000, (int)a->pid, verb_of(a->kind, a->use),
        a->granted ? "true" : "false");
    n += put_string(line + n, sizeof line - n, a->what);
    memcpy(line + n, ",\"at\":", 6);
    n += 6;
    n += put_string(line + n, sizeof line - n, a->place);
    memcpy(line + n, "}\n", 2);
    n += 2;
    static bool said;
    bool failed = write(audit, line, n) != (ssize_t)n;
    if (failed && !said) nx__cli_say("the audit log is not complete: it cannot be written");
    said |= failed;
}

static void access_take(const struct nx__run *run, const struct access *a)
{
    char what[512], place[PLACE_TEXT];
    if (run->trace_permissions)
        nx__cli_say("%s %s %s%s%s", a->granted ? "granted" : "refused", verb_of(a->kind, a->use),
                    nx__printable(what, sizeof what, a->what), *a->place ? ", " : "",
                    nx__printable(place, sizeof place, a->place));
    if (audit >= 0) audit_write(a);
    if (run->suggest) nx__suggest_note(run, a->kind, a->use, a->what);
}

static pid_t pid_of(struct nx__peer peer)
{
    return peer.helper ? peer.helper->pid : peer.generation->workers[peer.index].pid;
}

void nx__access_serve(struct nx__launcher *l, struct nx__peer peer,
                      const struct nx__broker_request *request)
{
    size_t module = strnlen(request->text, NX__BROKER_MODULE_MAX);
    bool good = module < NX__BROKER_MODULE_MAX && request->port < NX__PERMIT_KINDS &&
                (request->sockets & NX__USE_ANY) && nx__access_wanted(l->run);
    if (!good) return;
    const struct access access = {
        .kind = (enum nx__permit_kind)request->port,
        .use = (enum nx__use)(request->sockets & NX__USE_ANY),
        .what = request->text + module + 1,
        .place = place_of(peer.generation, request->text, request->address),
        .granted = request->wants == 1,
        .pid = pid_of(peer),
    };
    access_take(l->run, &access);
}

void nx__access_note(struct nx__launcher *l, struct nx__peer peer, enum nx__permit_kind kind,
                     const char *what, bool granted)
{
    const struct access access = {.kind = kind,
                                  .use = NX__USE_ANY,
                                  .what = what,
                                  .place = "",
                                  .granted = granted,
                                  .pid = pid_of(peer)};
    if (nx__access_wanted(l->run)) access_take(l->run, &access);
}
