/* nexus doctor: compilers, the cache, and what plain compilers need. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "cli/test.h"
#include "module/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LINE_SIZE = 160 };

static const char *const tcc_packages[5] = {"tcc libc6-dev", "tcc glibc-devel",
                                            "tcc tcc-dev musl-dev", "tcc", "tcc glibc-devel"};
static const char *const gcc_packages[5] = {"gcc libc6-dev", "gcc glibc-devel", "gcc musl-dev",
                                            "gcc", "gcc glibc-devel"};
static const char *const both_packages[5] = {"tcc gcc libc6-dev", "tcc gcc glibc-devel",
                                             "tcc tcc-dev gcc musl-dev", "tcc gcc",
                                             "tcc gcc glibc-devel"};

/* ---- Trying a compiler */

/* A folder that stands in for the cache, so that probes leave nothing in it. */
struct bench {
    char *folder, *source;
    char *cache; /* $NEXUS_CACHE as it was, NULL: not set */
    int said;    /* what compilers write to the standard error */
};

static bool bench_open(struct bench *b)
{
    size_t place = 0;
    const char *cache = getenv("NEXUS_CACHE");
    *b = (struct bench){.said = memfd_create("nexus-doctor", MFD_CLOEXEC)};
    if (cache && !(b->cache = strdup(cache))) return false;
    if (!nx__temporary_make(&place, &b->folder)) return false;
    if (asprintf(&b->source, "%s/probe.c", b->folder) < 0) b->source = NULL;
    return b->source && b->said >= 0 && setenv("NEXUS_CACHE", b->folder, 1) == 0;
}

static void bench_close(struct bench *b)
{
    if (b->cache)
        (void)setenv("NEXUS_CACHE", b->cache, 1);
    else
        (void)unsetenv("NEXUS_CACHE");
    free(b->cache);
    if (b->folder) nx__staging_remove(b->folder);
    if (b->said >= 0) (void)close(b->said);
    free(b->folder);
    free(b->source);
}

/* The first line of what the compiler said that names an error, or else its first line. */
static void bench_said(const struct bench *b, char out[LINE_SIZE])
{
    char text[4096];
    ssize_t n = pread(b->said, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "error");
    while (line && line > text && line[-1] != '\n') line--;
    if (!line) line = text;
    (void)snprintf(out, LINE_SIZE, "%.*s", (int)strcspn(line, "\n"), line);
}

/* Sends the standard error to `said`, empty at first; what it was is returned, to be put back. -1
 * when it can't be. */
static int bench_listen(const struct bench *b)
{
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved >= 0 && ftruncate(b->said, 0) == 0 && lseek(b->said, 0, SEEK_SET) == 0 &&
        dup2(b->said, STDERR_FILENO) >= 0)
        return saved;
    if (saved >= 0) (void)close(saved);
    return -1;
}

static void bench_listened(int saved)
{
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
}

/* Compiles a program, loads it and runs its main; true when that gives 0. */
static bool bench_try(struct bench *b, const char *compiler, const char *program, double *ms)
{
    int (*entry)(int, char **) = NULL;
    struct nx__compile_request request = {.path = b->source, .refresh = true, .compiler = compiler};
    struct nx__compiled compiled = {.so_fd = -1};
    char line[LINE_SIZE];
    if (nx__write_whole(b->source, program, strlen(program))) return false;
    int saved = bench_listen(b);
    if (saved < 0) return false;
    nx_duration begun = nx__clock_monotonic();
    nx_err err = nx__module_compile(&request, &compiled);
    if (!err) err = nx__module_load_app(compiled.so_fd, compiled.so_path, &entry);
    *ms = (double)(nx__clock_monotonic() - begun) / 1e6;
    bench_listened(saved);
    bench_said(b, line);
    if (err && !line[0]) (void)dprintf(b->said, "%s", nx__error_last()->message);
    nx__compiled_free(&compiled);
    return !err && entry(0, (char *[]){NULL}) == 0;
}

/* ---- Compilers */

static void version_of(const struct bench *b, const struct nx__compiler *c, char out[LINE_SIZE])
{
    static const char *const flags[] = {[NX__COMPILER_TCC] = "-v",
                                        [NX__COMPILER_GCC] = "--version",
                                        [NX__COMPILER_CLANG] = "--version",
                                        [NX__COMPILER_ZIG] = "version"};
    struct nx__buffer text = {0};
    const char *argv[] = {c->path, flags[c->kind], NULL};
    int saved = bench_listen(b);
    nx_err err = nx__tool_output(argv, &text);
    if (saved >= 0) bench_listened(saved);
    int len = err || !text.len ? 0 : (int)strcspn(text.data, "\n");
    (void)snprintf(out, LINE_SIZE, "%.*s", len < 80 ? len : 80, len ? text.data : "");
    nx__buffer_free(&text);
}

/* Names what tcc does not know of C, by trying. */
static void probe_tcc(struct nx__doctor *d, struct bench *b, const char *tcc, bool others)
{
    static const char *const parts[][2] = {
        {"_Atomic", "int main(void) { static _Atomic int n; return n; }"},
        {"_Thread_local", "static _Thread_local int n; int main(void) { return n; }"},
        {"__int128", "int main(void) { __int128 n = 0; return (int)n; }"},
        {"<stdatomic.h>",
         "#include <stdatomic.h>\nint main(void) { atomic_int n = 0; return atomic_load(&n); }"},
        {"<immintrin.h>", "#include <immintrin.h>\nint main(void) { return 0; }"},
        {"NX_AUTO",
         "#include <nexus/http.h>\nint main(void) { NX_AUTO(nx_http_server) *s = NULL; return s != NULL; }"},
    };
    char lacks[200] = "";
    double ms;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
#if !defined(__x86_64__)
        if (strcmp(parts[i][0], "<immintrin.h>") == 0) continue;
#endif
        if (bench_try(b, tcc, parts[i][1], &ms)) continue;
        size_t len = strlen(lacks);
        (void)snprintf(lacks + len, sizeof lacks - len, "%s%s", len ? ", " : "", parts[i][0]);
    }
    struct nx__finding *f =
        nx__doctor_add(d, others || !lacks[0] ? NX__HEALTH_OK : NX__HEALTH_NOTE, "what tcc lacks",
                       others ? "a program that needs it goes to the next compiler by itself"
                              : "a program that needs it takes another compiler",
                       "%s", lacks[0] ? lacks : "nothing");
    if (!others && lacks[0]) nx__doctor_install(d, f, gcc_packages);
}

static const char *const compiler_names[] = {[NX__COMPILER_TCC] = "tcc",
                                             [NX__COMPILER_GCC] = "gcc",
                                             [NX__COMPILER_CLANG] = "clang",
                                             [NX__COMPILER_ZIG] = "zig cc"};

static void probe_compiler(struct nx__doctor *d, struct bench *b, const struct nx__compiler *c,
                           bool taken, bool taken_release)
{
    static const char program[] =
        "#include <nexus.h>\n#include <stdio.h>\nint main(void) { return nx_version() && stderr ? 0 : 1; }\n";
    const char *why = taken && taken_release ? "nexus run takes it, with --release too"
                      : taken                ? "nexus run takes it"
                      : taken_release        ? "nexus run --release takes it"
                                             : "--compiler can name it";
    char version[LINE_SIZE], said[LINE_SIZE];
    double ms = 0;
    version_of(b, c, version);
    /* Its first use makes its own library, which takes long. */
    if (c->kind == NX__COMPILER_ZIG && !taken) {
        nx__doctor_add(d, NX__HEALTH_OK, compiler_names[c->kind], why, "%s, %.100s, not tried",
                       version, c->path);
    } else if (bench_try(b, c->path, program, &ms)) {
        nx__doctor_add(d, NX__HEALTH_OK, compiler_names[c->kind], why,
                       "%s, %.100s, compiles and loads a program in %.1f ms", version, c->path, ms);
    } else {
        bench_said(b, said);
        struct nx__finding *f =
            nx__doctor_add(d, taken || taken_release ? NX__HEALTH_PROBLEM : NX__HEALTH_NOTE,
                           compiler_names[c->kind], why,
                           "%.100s does not compile a program: %.130s", c->path, said);
        nx__doctor_install(d, f, c->kind == NX__COMPILER_TCC ? tcc_packages : gcc_packages);
    }
}

/* $CC: the only one that is asked, where it is set. */
static void probe_chosen(struct nx__doctor *d, struct nx__compiler *out, bool *chosen)
{
    static const char why[] = "nexus run takes it and no other";
    struct nx__compilers c;
    const char *cc = getenv("CC");
    *chosen = cc && *cc;
    if (!*chosen) return;
    if (nx__compilers_find(&c, cc, "CC", NX__WANTED_ANY)) {
        nx__doctor_fix(nx__doctor_add(d, NX__HEALTH_PROBLEM, "$CC", why,
                                      "%.60s: there is no such compiler", cc),
                       "unset CC");
        return;
    }
    *out = c.items[0];
    nx__doctor_add(d, NX__HEALTH_OK, "$CC", why, "%.60s, which is %.120s", cc, out->path);
}

static void missing(struct nx__doctor *d, enum nx__health health, const char *name, const char *why,
                    const char *const packages[5])
{
    nx__doctor_install(d, nx__doctor_add(d, health, name, why, "not found"), packages);
}

void nx__doctor_compilers(struct nx__doctor *d)
{
    struct nx__compilers all;
    struct nx__compiler cc = {.path = ""};
    struct bench bench;
    bool chosen, tcc = false, optimises = false;
    d->group = "compilers";
    probe_chosen(d, &cc, &chosen);
    if (nx__compilers_find(&all, NULL, NULL, NX__WANTED_ANY)) all.count = 0;
    for (size_t i = 0; i < all.count; i++) {
        tcc |= all.items[i].kind == NX__COMPILER_TCC;
        optimises |= all.items[i].kind != NX__COMPILER_TCC;
    }
    bool ready = bench_open(&bench);
    if (!ready)
        nx__doctor_fix(nx__doctor_add(d, NX__HEALTH_PROBLEM, "temporary folder",
                                      "compilers work in one where there is no cache",
                                      "none can be written: $TMPDIR, /tmp, /var/tmp"),
                       "export TMPDIR=\"$HOME/tmp\"; mkdir -p \"$TMPDIR\"");
    /* The headers are laid down by the first that compiles: not to be counted as its time. */
    char *headers = NULL;
    if (ready) NX_IGNORE(nx__headers_dir(bench.folder, &headers));
    free(headers);
    bool release_taken = false;
    for (size_t i = 0; ready && i < all.count; i++) {
        const struct nx__compiler *c = &all.items[i];
        bool release = !release_taken && !chosen && c->kind != NX__COMPILER_TCC;
        release_taken |= release;
        bool named = chosen && strcmp(c->path, cc.path) == 0;
        probe_compiler(d, &bench, c, named || (!chosen && i == 0), release);
        if (named) cc.path[0] = '\0'; /* tried */
        if (c->kind == NX__COMPILER_TCC) probe_tcc(d, &bench, c->path, optimises);
    }
    if (ready && cc.path[0]) probe_compiler(d, &bench, &cc, true, cc.kind != NX__COMPILER_TCC);
    bench_close(&bench);
    if (!all.count && !chosen)
        missing(d, NX__HEALTH_PROBLEM, "compiler", "programs are compiled before they run",
                both_packages);
    else if (!tcc && !chosen)
        missing(d, NX__HEALTH_NOTE, "tcc", "it compiles ten times as fast, from an edit to running",
                tcc_packages);
    else if (!optimises)
        missing(d, NX__HEALTH_NOTE, "gcc or clang", "--release, --asan and --coverage take one",
                gcc_packages);
}

/* ---- The cache */

/* Whether code can be mapped from files in the folder. */
static bool can_execute(const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/probe", folder) >= (int)sizeof path) return true;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return true; /* another probe says so */
    bool can = false;
    if (ftruncate(fd, 4096) == 0) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        can = page != MAP_FAILED;
        if (can) (void)munmap(page, 4096);
    }
    (void)close(fd);
    return can;
}

void nx__doctor_cache(struct nx__doctor *d)
{
    static const char why[] = "a program in the cache starts in a few milliseconds";
    enum { LOW = 100 }; /* MiB */
    char *dir, *staging = NULL;
    size_t entries;
    uint64_t bytes;
    struct statvfs fs;
    d->group = "cache";
    nx_err err = nx__cache_dir(&dir);
    if (!err) err = nx__staging_make(dir, &staging);
    if (err) {
        nx__doctor_fix(
            nx__doctor_add(d, NX__HEALTH_PROBLEM, "folder", why, "%s", nx__error_last()->message),
            "export NEXUS_CACHE=\"$(mktemp -d)\"");
        free(dir);
        return;
    }
    nx__doctor_add(d, NX__HEALTH_OK, "folder", why, "%.200s, can be written", dir);
    if (!can_execute(staging))
        nx__doctor_fix(
            nx__doctor_add(d, NX__HEALTH_PROBLEM, "mount",
                           "compiled programs are loaded from there", "is mounted noexec"),
            "%smount -o remount,exec \"$(findmnt -no TARGET -T '%.120s')\"", d->sudo, dir);
    nx__staging_remove(staging);
    free(staging);
    if (!nx__cache_info(&entries, &bytes))
        nx__doctor_add(d, NX__HEALTH_OK, "size", "what was used longest ago makes room by itself",
                       "%zu program%s, %.1f MiB of at most %.0f", entries, entries == 1 ? "" : "s",
                       (double)bytes / 1048576, (double)nx__cache_limit() / 1048576);
    if (statvfs(dir, &fs) == 0 && fs.f_blocks) {
        uint64_t mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
        bool full = nx__cache_full(dir);
        struct nx__finding *f =
            nx__doctor_add(d,
                           full        ? NX__HEALTH_PROBLEM
                           : mib < LOW ? NX__HEALTH_NOTE
                                       : NX__HEALTH_OK,
                           "disk", "without room programs are compiled for each run",
                           "%llu MiB free", (unsigned long long)mib);
        if (full || mib < LOW) nx__doctor_fix(f, "nexus cache clear");
    }
    free(dir);
}

/* ---- Plain compilers */

static bool ask(const char *program, const char *question, char out[PATH_MAX])
{
    struct nx__buffer text = {0};
    /* What it has to complain of is said below, better. */
    const char *argv[] = {program, "--silence-errors", question, "nexus", NULL};
    bool ok = nx__tool_output(argv, &text) == NX_OK && text.len;
    (void)snprintf(out, PATH_MAX, "%.*s", ok ? (int)strcspn(text.data, "\n") : 0,
                   ok ? text.data : "");
    nx__buffer_free(&text);
    return ok;
}

/* DIST/lib/pkgconfig where this is DIST/bin/nexus. */
static bool beside(char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return false;
    self[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (!slash) return false;
        *slash = '\0';
    }
    char file[PATH_MAX + 32];
    (void)snprintf(file, sizeof file, "%s/lib/pkgconfig/nexus.pc", self);
    return snprintf(out, PATH_MAX, "%s/lib/pkgconfig", self) < PATH_MAX && access(file, R_OK) == 0;
}

void nx__doctor_building(struct nx__doctor *d)
{
    static const char why[] =
        "cc app.c $(pkg-config --cflags --libs nexus) builds a program without nexus run";
    static const char *const packages[5] = {"pkg-config", "pkgconf-pkg-config", "pkgconf",
                                            "pkgconf", "pkgconf-pkg-config"};
    char program[PATH_MAX], version[PATH_MAX], folder[PATH_MAX], header[PATH_MAX + 32];
    d->group = "building without nexus run";
    if (!nx__doctor_find("pkg-config", program, sizeof program)) {
        nx__doctor_install(d, nx__doctor_add(d, NX__HEALTH_NOTE, "pkg-config", why, "is not there"),
                           packages);
        return;
    }
    bool found = ask(program, "--modversion", version);
    if (!found || strcmp(version, nx_version()) != 0) {
        struct nx__finding *f =
            found ? nx__doctor_add(d, NX__HEALTH_NOTE, "pkg-config", why,
                                   "knows another version, %.60s", version)
                  : nx__doctor_add(d, NX__HEALTH_NOTE, "pkg-config", why, "does not know nexus");
        if (beside(folder))
            nx__doctor_fix(f, "export PKG_CONFIG_PATH=\"%.180s:$PKG_CONFIG_PATH\"", folder);
        return;
    }
    nx__doctor_add(d, NX__HEALTH_OK, "pkg-config", why, "%.150s knows nexus %.30s", program,
                   version);
    if (!ask(program, "--variable=includedir", folder)) return;
    (void)snprintf(header, sizeof header, "%s/nexus/base.h", folder);
    bool there = access(header, R_OK) == 0;
    nx__doctor_add(d, there ? NX__HEALTH_OK : NX__HEALTH_PROBLEM, "headers", why,
                   there ? "in %.200s" : "are not in %.200s", folder);
}
