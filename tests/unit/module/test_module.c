/* The module loader: what is found, compiled, cached, refused. Runs real compilers in a folder of
 * its own. */
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

#include "module/internal.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The test's folder, with what it caches. */
static const char *folder(void)
{
    static const char *dir;
    if (!dir) {
        dir = nx_test_dir();
        setenv("NEXUS_CACHE", nx_format("%s/cache", dir), 1);
    }
    return dir;
}

/* Writes a file into the test's folder and returns its path. */
static const char *put(const char *name, const char *text)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder(), name);
    for (char *slash = path + strlen(folder()) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
    return path;
}

/* Compiles; what the compiler says goes nowhere. */
static nx_err compile(const char *path, const char *compiler, struct nx__compiled *out)
{
    int before = dup(2), null = open("/dev/null", O_WRONLY);
    (void)dup2(null, 2);
    struct nx__compile_request request = {.path = path, .compiler = compiler};
    nx_err err = nx__module_compile(&request, out);
    (void)dup2(before, 2);
    (void)close(before);
    (void)close(null);
    return err;
}

static nx_err compile_only(const char *path, const char *compiler, bool *from_cache)
{
    struct nx__compiled out;
    nx_err err = compile(path, compiler, &out);
    if (from_cache) *from_cache = out.from_cache;
    if (!err) nx_expect(out.so_fd >= 0 && out.so_path && out.input_count > 0);
    nx__compiled_free(&out);
    return err;
}

#define PROGRAM "int main(void) { return 0; }\n"

NX_TEST("cached by content")
{
    const char *path = put("a/app.c", "#include \"./part.h\"\nint main(void) { return part(); }\n");
    put("a/part.h", "int part(void);\n");
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 7; }\n");
    bool cached = true;
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(!cached);
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(cached);
    /* The same contents at another time. */
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 7; }\n");
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(cached);
    /* An edit of the same length, at once. */
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 8; }\n");
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(!cached);
    put("a/part.h", "int part(void); /* edited */\n");
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(!cached);
    nx_expect_ok(compile_only(path, "gcc", &cached));
    nx_expect(!cached);
}

NX_TEST("loads and finds main")
{
    const char *path = put(
        "b/app.c", "#include \"./x.h\"\nint main(int c, char **v) { (void)v; return c + x(); }\n");
    put("b/x.h", "int x(void);\n");
    put("b/x.c", "int x(void) { return 40; }\n");
    struct nx__compiled out;
    int (*entry)(int, char **) = NULL;
    nx_expect_ok(compile(path, NULL, &out));
    nx_expect_ok(nx__module_load_app(out.so_fd, out.so_path, &entry));
    nx_expect(entry && entry(2, NULL) == 42);
    out.so_fd =
        -1; /* stays open, as in a program: the loader knows what it has loaded by this number */
    nx__compiled_free(&out);
}

/* Loads what has been compiled and runs its main; -1 when it cannot be had. */
static int outcome(const char *path, const char *compiler)
{
    struct nx__compiled out;
    int (*entry)(int, char **) = NULL;
    int result = -1;
    if (compile(path, compiler, &out) == NX_OK &&
        nx__module_load_app(out.so_fd, out.so_path, &entry) == NX_OK) {
        result = entry(0, NULL);
        out.so_fd = -1; /* stays open with the program */
    }
    nx__compiled_free(&out);
    return result;
}

static const char *const compilers[] = {"tcc", "gcc", "clang"};
enum { COMPILERS = sizeof compilers / sizeof *compilers };

NX_TEST("sources come and go", .deadline = NX_S(60))
{
    for (int i = 0; i < COMPILERS; i++)
        nx_subtest ("%s", compilers[i]) {
            const char *path =
                put("j/app.c", "#include \"./part.h\"\nint main(void) { return part(); }\n");
            put("j/part.h", "int part(void);\n");
            put("j/part.c", "int part(void) { return 7; }\n");
            nx_expect_eq(outcome(path, compilers[i]), 7);
            /* What is no longer included is no longer compiled in, though it is still there. */
            put("j/other.h", "int part(void);\n");
            put("j/other.c", "int part(void) { return 9; }\n");
            put("j/app.c", "#include \"./other.h\"\nint main(void) { return part(); }\n");
            nx_expect_eq(outcome(path, compilers[i]), 9);
            /* A header's source goes, and comes again with the header as it was. */
            char other[512];
            snprintf(other, sizeof other, "%s", put("j/other.c", ""));
            (void)unlink(other);
            nx_expect_err(NX_ECOMPILE, compile_only(path, compilers[i], NULL));
            put("j/other.c", "int part(void) { return 5; }\n");
            nx_expect_eq(outcome(path, compilers[i]), 5);
            /* Defined twice. */
            put("j/app.c", "#include \"./other.h\"\nint part(void) { return 1; }\n" PROGRAM);
            nx_expect_err(NX_ECOMPILE, compile_only(path, compilers[i], NULL));
        }
}

NX_TEST("names with spaces")
{
    const char *path =
        put("k l/my app.c", "#include \"./a part.h\"\nint main(void) { return part(); }\n");
    put("k l/a part.h", "int part(void);\n");
    put("k l/a part.c", "int part(void) { return 7; }\n");
    for (int i = 0; i < COMPILERS; i++)
        nx_subtest ("%s", compilers[i]) nx_expect_eq(outcome(path, compilers[i]), 7);
}

static bool has_input(const struct nx__compiled *compiled, const char *end)
{
    for (size_t i = 0; i < compiled->input_count; i++) {
        size_t len = strlen(compiled->inputs[i].path);
        if (len >= strlen(end) && strcmp(compiled->inputs[i].path + len - strlen(end), end) == 0)
            return true;
    }
    return false;
}

NX_TEST("inputs")
{
    const char *path = put("l/app.c", "#include <stdio.h>\n#include \"inc/x.h\"\n" PROGRAM);
    put("l/inc/x.h", "int x(void);\n");
    for (int i = 0; i < COMPILERS; i++)
        nx_subtest ("%s", compilers[i]) {
            struct nx__compiled out;
            nx_expect_ok(compile(path, compilers[i], &out));
            nx_expect(has_input(&out, "l/app.c") && has_input(&out, "l/inc/x.h") &&
                      has_input(&out, "/include/stdio.h"));
            nx__compiled_free(&out);
            /* A broken header is watched until it is mended. */
            put("l/inc/x.h", "int x(void;\n");
            nx_expect_err(NX_ECOMPILE, compile(path, compilers[i], &out));
            nx_expect(has_input(&out, "l/app.c") && has_input(&out, "l/inc/x.h"));
            nx__compiled_free(&out);
            put("l/inc/x.h", "int x(void);\n");
        }
}

/* The file changes after the compiler has read it and before it has ended. */
NX_TEST("changed meanwhile")
{
    char slow[512];
    snprintf(slow, sizeof slow, "%s",
             put("m/slow-gcc", "#!/bin/sh\ngcc \"$@\"\nstatus=$?\nsleep 0.3\nexit $status\n"));
    nx_expect_eq(chmod(slow, 0700), 0);
    const char *path = put("m/app.c", "int main(void) { return 1; }\n");
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(200 * 1000);
        put("m/app.c", "int main(void) { return 2; }\n");
        _exit(0);
    }
    nx_expect_ok(compile_only(path, slow, NULL));
    int status;
    nx_expect_eq(waitpid(child, &status, 0), child);
    nx_expect_eq(outcome(path, slow), 2);
}

NX_TEST("packages")
{
    const char *path =
        put("c/deep/app.c", "#include <pkg/pkg.h>\nint main(void) { return pkg(); }\n");
    put("c/nexus_modules/pkg/pkg.h", "int pkg(void);\n");
    put("c/nexus_modules/pkg/pkg.c", "#include \"pkg.h\"\nint pkg(void) { return 0; }\n");
    put("c/nexus.toml", "[project]\nname = \"c\"\n");
    nx_expect_ok(compile_only(path, "gcc", NULL));
    nx_expect_ok(compile_only(path, NULL, NULL));
}

NX_TEST("falls through to a compiler that can")
{
    const char *path =
        put("d/app.c", "static _Thread_local int n;\nint main(void) { return n; }\n");
    struct nx__compiled out;
    nx_expect_ok(compile(path, NULL, &out));
    nx_expect(out.compiler && !strstr(out.compiler, "tcc"));
    nx__compiled_free(&out);
}

NX_TEST("what is to run before main needs a compiler that knows it")
{
    static const struct {
        const char *text;
        bool by_tcc;
    } sources[] = {
        {"__attribute__((constructor)) static void f(void) {}", false},
        {"static void f(void) __attribute__((used, __constructor__(101)));\n"
         "static void f(void) {}",
         false},
        {"__attribute__((destructor)) static void f(void) {}", false},
        {"static int constructor(int destructor) { return destructor; }", true},
        {"/* (constructor) and ((deconstructor)) */", true},
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        nx_subtest (sources[i].text) {
            char name[32], text[256];
            (void)snprintf(name, sizeof name, "k/%zu.c", i);
            (void)snprintf(text, sizeof text, "%s\nint main(void) { return 0; }\n",
                           sources[i].text);
            struct nx__compiled out;
            nx_expect_ok(compile(put(name, text), NULL, &out));
            nx_expect_eq(out.compiler && strstr(out.compiler, "tcc") != NULL, sources[i].by_tcc);
            nx__compiled_free(&out);
        }
    }
}

NX_TEST("mistakes")
{
    struct nx__compiled out;
    nx_expect_err(NX_ECOMPILE,
                  compile(put("e/bad.c", "int main(void) { return ; ]\n"), NULL, &out));
    nx_expect_ge(out.input_count, 1);
    nx__compiled_free(&out);
    nx_expect_err(NX_ENOENT, compile_only("/nowhere/app.c", NULL, NULL));
    nx_expect_contains(nx_error_last()->message, "cannot read \"/nowhere/app.c\": no such file");
    nx_expect_err(NX_ENOENT, compile_only(put("e/ok.c", PROGRAM), "no-such-compiler", NULL));
    struct nx__compile_request release = {
        .path = put("e/ok.c", PROGRAM), .compiler = "tcc", .release = true};
    nx_expect_err(NX_EINVAL, nx__module_compile(&release, &out));
    nx__compiled_free(&out);
    nx_expect_err(NX_EINVAL, compile_only(folder(), NULL, NULL));
    char fifo[512];
    snprintf(fifo, sizeof fifo, "%s/e/fifo.c", folder());
    nx_expect_eq(mkfifo(fifo, 0600), 0);
    nx_expect_err(NX_EINVAL, compile_only(fifo, NULL, NULL));
    int (*entry)(int, char **);
    struct nx__compiled no_main;
    nx_expect_ok(compile(put("e/nomain.c", "int x;\n"), NULL, &no_main));
    nx_expect_err(NX_ECOMPILE, nx__module_load_app(no_main.so_fd, no_main.so_path, &entry));
    nx__compiled_free(&no_main);
}

/* A compiler that is told to read what it was not given reads nothing. */
NX_TEST("the compiler is sealed")
{
    if (!nx__tool_sealed()) nx_skip("this kernel has no Landlock");
    const char *include = put("f/include.c", "#include \"/etc/passwd\"\n" PROGRAM);
    const char *incbin = put("f/incbin.c", "__asm__(\".incbin \\\"/etc/passwd\\\"\");\n" PROGRAM);
    const char *outside = put("g/secret.h", "#define SECRET 1\n");
    char escape[600];
    snprintf(escape, sizeof escape, "#include \"%s\"\n" PROGRAM, outside);
    nx_expect_err(NX_ECOMPILE, compile_only(include, "gcc", NULL));
    nx_expect_err(NX_ECOMPILE, compile_only(incbin, "gcc", NULL));
    nx_expect_err(NX_ECOMPILE, compile_only(include, "tcc", NULL));
    nx_expect_err(NX_ECOMPILE, compile_only(put("f/escape.c", escape), "gcc", NULL));
    nx_expect_ok(compile_only(put("f/fine.c", PROGRAM), "gcc", NULL));
}

NX_TEST("eight at once")
{
    const char *path = put("h/app.c", "int main(void) { return 5; }\n");
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(compile_only(path, NULL, NULL) != NX_OK);
    }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        nx_expect(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    bool cached = false;
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(cached);
}

/* Whatever happens to the files of the cache, the worst is that the program is compiled again. */
NX_TEST("a damaged cache")
{
    const char *path = put("i/app.c", "int main(void) { return 6; }\n");
    struct nx__compiled out;
    nx_expect_ok(compile(path, NULL, &out));
    nx_expect_eq(truncate(out.so_path, 100), 0);
    nx__compiled_free(&out);
    bool cached = true;
    nx_expect_ok(compile(path, NULL, &out));
    nx_expect(!out.from_cache);
    /* Somebody else may write to it: then it is not run. */
    nx_expect_eq(chmod(out.so_path, 0666), 0);
    nx__compiled_free(&out);
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(!cached);
    size_t entries;
    uint64_t bytes;
    nx_expect_ok(nx__cache_info(&entries, &bytes));
    nx_expect(entries > 0 && bytes > 0);
    nx_expect_ok(nx__cache_prune(1));
    nx_expect_ok(nx__cache_info(&entries, &bytes));
    nx_expect_eq(entries, 0);
    nx_expect_ok(compile_only(path, NULL, &cached));
    nx_expect(!cached);
}

NX_TEST("torn headers")
{
    const char *path = put("n/app.c", "#include <nexus.h>\nint main(void) { return NX_EPERM; }\n");
    char *cache, *headers, torn[600];
    nx_require_ok(nx__cache_dir(&cache));
    nx_require_ok(nx__headers_dir(cache, &headers));
    free(cache);
    snprintf(torn, sizeof torn, "%s/nexus/base.h", headers);
    free(headers);
    nx_expect_eq(truncate(torn, 100), 0);
    nx_expect_eq(outcome(path, NULL), NX_EPERM);
}

NX_TEST("last use")
{
    const char *path = put("o/app.c", "int main(void) { return 3; }\n");
    struct nx__compiled out;
    struct stat st;
    nx_expect_ok(compile(path, NULL, &out));
    struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    nx_expect_eq(utimensat(AT_FDCWD, out.so_path, long_ago, 0), 0);
    nx__compiled_free(&out);
    /* The manifest too. */
    char manifests[300];
    snprintf(manifests, sizeof manifests, "%s/m", getenv("NEXUS_CACHE"));
    DIR *dir = opendir(manifests);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        (void)utimensat(dirfd(dir), entry->d_name, long_ago, 0);
    if (dir) (void)closedir(dir);
    nx_expect_ok(compile(path, NULL, &out));
    nx_expect(out.from_cache && fstat(out.so_fd, &st) == 0 && st.st_mtim.tv_sec > 1000);
    nx__compiled_free(&out);
}

NX_TEST("a cache that others can write")
{
    char open_cache[300];
    snprintf(open_cache, sizeof open_cache, "%s/open", folder());
    nx_expect_eq(mkdir(open_cache, 0700), 0);
    nx_expect_eq(chmod(open_cache, 0777), 0);
    char *path;
    setenv("NEXUS_CACHE", open_cache, 1);
    nx_expect_err(NX_EACCES, nx__cache_dir(&path));
    struct nx__compiled out;
    nx_expect_ok(compile(put("q/app.c", PROGRAM), NULL, &out));
    nx_expect(out.warning && strstr(out.warning, "somebody else"));
    nx__compiled_free(&out);
}

/* True when there is nothing in the folder. */
static bool is_empty(const char *path)
{
    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

NX_TEST("without a cache", .deadline = NX_S(60))
{
    char tmp[300];
    snprintf(tmp, sizeof tmp, "%s/tmp", folder());
    nx_expect_eq(mkdir(tmp, 0700), 0);
    setenv("TMPDIR", tmp, 1);
    setenv("NEXUS_CACHE", put("s/file/cache", ""), 1);
    const char *path = put("s/app.c", "#include <nexus.h>\n#include \"./part.h\"\n"
                                      "int main(void) { return part() + NX_EPERM; }\n");
    put("s/part.h", "int part(void);\n");
    put("s/part.c", "int part(void) { return 10; }\n");
    struct nx__compiled out, again;
    int (*entry)(int, char **) = NULL;
    for (int i = 0; i < COMPILERS; i++)
        nx_subtest ("%s", compilers[i]) {
            nx_expect_ok(compile(path, compilers[i], &out));
            nx_expect(out.warning && strstr(out.warning, "s/file/cache"));
            nx_expect(out.so_path && strncmp(out.so_path, "/memfd:", 7) == 0 && !out.from_cache);
            nx_expect(has_input(&out, "s/part.c"));
            nx_expect(is_empty(tmp));
            /* Nobody can change what is run. */
            nx_expect(write(out.so_fd, "x", 1) < 0 && ftruncate(out.so_fd, 0) < 0);
            /* The same program has the same name, for --watch. */
            nx_expect_ok(compile(path, compilers[i], &again));
            nx_expect_eq(again.so_path, out.so_path);
            nx__compiled_free(&again);
            nx_expect_ok(nx__module_load_app(out.so_fd, out.so_path, &entry));
            nx_expect(entry && entry(0, NULL) == 10 + NX_EPERM);
            out.so_fd = -1;
            nx__compiled_free(&out);
        }
    nx_expect_err(NX_ECOMPILE,
                  compile(put("s/bad.c", "int main(void) { return ; ]\n"), NULL, &out));
    nx_expect(out.warning && is_empty(tmp));
    nx__compiled_free(&out);
    /* A temporary folder that is none: there are others. */
    char file[512];
    snprintf(file, sizeof file, "%s/s/file/cache", folder());
    setenv("TMPDIR", file, 1);
    nx_expect_ok(compile(path, NULL, &out));
    nx__compiled_free(&out);
    /* One where somebody else could change what is compiled. */
    nx_expect_eq(chmod(tmp, 0777), 0);
    setenv("TMPDIR", tmp, 1);
    size_t place = 0;
    char *made = NULL;
    nx_expect(nx__temporary_make(&place, &made) && strncmp(made, folder(), strlen(folder())) != 0);
    if (made) nx__staging_remove(made);
    free(made);
}

/* A compiler of its own in one of the folders p/1 to p/3. */
static void install(const char *name, const char *comment, mode_t mode)
{
    const char *base = strrchr(name, '/') + 1;
    char script[200];
    snprintf(script, sizeof script, "#!/bin/sh\n# %s\nexec /usr/bin/%s \"$@\"\n", comment, base);
    nx_expect_eq(chmod(put(name, script), mode), 0);
}

static void uninstall(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    nx_expect_eq(unlink(path), 0);
}

/* Compiles; NULL when the result was in the cache, else which compiler made it. */
static const char *made_by(const char *path)
{
    static char by[512];
    struct nx__compiled out;
    nx_expect_ok(compile(path, NULL, &out));
    snprintf(by, sizeof by, "%s", out.compiler ? out.compiler + strlen(folder()) + 1 : "");
    bool cached = out.from_cache;
    nx__compiled_free(&out);
    return cached ? NULL : by;
}

/* What the search for a compiler would find is noticed, though it is not repeated. */
NX_TEST("compilers come and go", .deadline = NX_S(60))
{
    char *path = strdup(put("p/app.c", PROGRAM)), search[1200];
    snprintf(search, sizeof search, "%s/p/1:relative:%s/p/none:%s/p/2:%s/p/3", folder(), folder(),
             folder(), folder());
    put("p/1/other", "");
    install("p/2/gcc", "one", 0755);
    put("p/3/other", "");
    /* Each time at once, while the folders are too fresh to tell, and later. */
    for (unsigned wait = 0; wait <= 60000; wait += 30000) {
        setenv("PATH", search, 1);
        NX_IGNORE(nx__cache_clear());
        (void)usleep(wait);
        nx_expect_eq(made_by(path), "p/2/gcc");
        nx_expect(!made_by(path));
        nx_expect(!made_by(path));
        install("p/3/clang", "not the first", 0755);
        nx_expect(!made_by(path));
        install("p/1/gcc", "nearer, no program yet", 0644);
        nx_expect(!made_by(path));
        (void)usleep(wait);
        install("p/1/gcc", "nearer, no program yet", 0755);
        nx_expect_eq(made_by(path), "p/1/gcc");
        nx_expect(!made_by(path));
        (void)usleep(wait);
        uninstall("p/1/gcc");
        nx_expect_eq(made_by(path), "p/2/gcc");
        (void)usleep(wait);
        install("p/2/gcc", "upgraded", 0755);
        nx_expect_eq(made_by(path), "p/2/gcc");
        nx_expect(!made_by(path));
        (void)usleep(wait);
        install("p/3/tcc", "the first that is asked", 0755);
        nx_expect_eq(made_by(path), "p/3/tcc");
        (void)usleep(wait);
        uninstall("p/3/tcc");
        nx_expect_eq(made_by(path), "p/2/gcc");
        /* Another PATH that leads to the same one. */
        setenv("PATH", strstr(search, ":relative") + 1, 1);
        nx_expect(!made_by(path));
        nx_expect(!made_by(path));
        setenv("PATH", strrchr(search, ':') + 1, 1);
        nx_expect_eq(made_by(path), "p/3/clang");
        uninstall("p/3/clang");
        nx_expect_err(NX_ENOENT, compile_only(path, NULL, NULL));
        nx_expect_contains(nx_error_last()->message, "cannot find a C compiler");
        install("p/2/gcc", "one", 0755);
    }
    free(path);
}

/* $CC may be a link, which may come to lead elsewhere. */
NX_TEST("chosen by a link")
{
    char link[300];
    snprintf(link, sizeof link, "%s/p/cc", folder());
    const char *path = put("p/app.c", PROGRAM);
    bool cached = true;
    nx_expect_eq(symlink("/usr/bin/gcc", link), 0);
    nx_expect_ok(compile_only(path, link, &cached));
    nx_expect(!cached);
    nx_expect_ok(compile_only(path, link, &cached));
    nx_expect(cached);
    nx_expect_eq(unlink(link), 0);
    nx_expect_eq(symlink("/usr/bin/clang", link), 0);
    nx_expect_ok(compile_only(path, link, &cached));
    nx_expect(!cached);
}

/* What the name stands for in that file, below the folder; or why it stands for nothing. */
static const char *resolved(const char *from, const char *name)
{
    char *path = NULL;
    if (nx__resolve(from, name, &path)) return nx_error_last()->message;
    const char *below = nx_format("%s", path + strlen(folder()) + 1);
    free(path);
    return below;
}

NX_TEST("resolving")
{
    char from[512];
    snprintf(from, sizeof from, "%s", put("r/app/app.c", PROGRAM));
    put("r/app/near.c", PROGRAM);
    put("r/app/dir/index.c", PROGRAM);
    put("r/up.c", PROGRAM);
    put("r/nexus_modules/one/one.c", PROGRAM);
    put("r/nexus_modules/two/nexus.toml", "[project]\nmain = \"src/two.c\"\n");
    put("r/nexus_modules/two/src/two.c", PROGRAM);
    put("r/nexus_modules/three/index.c", PROGRAM);
    nx_expect_eq(resolved(from, "./near.c"), "r/app/near.c");
    nx_expect_eq(resolved(from, "./near"), "r/app/near.c");
    nx_expect_eq(resolved(from, "./dir"), "r/app/dir/index.c");
    nx_expect_eq(resolved(from, "../up"), "r/up.c");
    nx_expect_eq(resolved(from, "one"), "r/nexus_modules/one/one.c");
    nx_expect_eq(resolved(from, "two"), "r/nexus_modules/two/src/two.c");
    nx_expect_eq(resolved(from, "three"), "r/nexus_modules/three/index.c");
    char *path;
    nx_expect_err(NX_ENOENT, nx__resolve(from, "./none", &path));
    nx_expect_err(NX_ENOENT, nx__resolve(from, "none", &path));
    nx_expect_err(NX_EINVAL, nx__resolve(from, "", &path));
    nx_expect_err(NX_EINVAL, nx__resolve(from, "one/../../app", &path));
}

NX_TEST("manifests")
{
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct nx__manifest m = {.so_size = 12}, back = {0};
    memcpy(m.key, hash, sizeof hash);
    memcpy(m.found.folders, hash, sizeof hash);
    m.found.compilers = (struct nx__compilers){
        .count = 2,
        .searched_ns = 9,
        .items = {{.path = "/usr/bin/a b", .size = 3, .mtime_ns = -1},
                  {.path = "/usr/bin/cc", .size = 4, .mtime_ns = 5, .folders = 6}}};
    memcpy(m.so_hash, hash, sizeof hash);
    struct nx__input input = {
        .path = "/a b/c.c", .dev = 1, .ino = 2, .size = 3, .mtime_ns = -4, .ctime_ns = 5};
    memcpy(input.hash, hash, sizeof hash);
    nx_expect_ok(nx__manifest_add(&m, &input));
    nx_expect_ok(nx__manifest_add(&m, &input));
    nx_expect_eq(m.count, 1);
    struct nx__buffer text = {0};
    nx_expect_ok(nx__manifest_format(&m, &text));
    nx_expect(nx__manifest_parse(&back, text.data, text.len));
    nx_expect(back.count == 1 && strcmp(back.inputs[0].path, "/a b/c.c") == 0 &&
              back.inputs[0].mtime_ns == -4 && back.so_size == 12);
    nx_expect(nx__found_among(&m.found, &back.found.compilers) && back.found.compilers.count == 2 &&
              back.found.compilers.items[1].folders == 6 && back.found.compilers.searched_ns == 9);
    nx__manifest_free(&back);
    for (size_t cut = 0; cut + 1 < text.len; cut++) {
        if (nx__manifest_parse(&back, text.data, cut)) nx_expect_gt(back.count, 0);
        nx__manifest_free(&back);
    }
    nx__buffer_free(&text);
    nx__manifest_free(&m);
}
