/* The module loader: what is found, compiled, cached, refused. Runs real compilers in a folder of
 * its own. */
#define NX_TEST_OWN_MAIN
#include "test.h"

#include "module/internal.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];

/* Writes a file into the test's folder and returns its path. */
static const char *put(const char *name, const char *text)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
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
    if (!err) EXPECT(out.so_fd >= 0 && out.so_path && out.input_count > 0);
    nx__compiled_free(&out);
    return err;
}

#define PROGRAM "int main(void) { return 0; }\n"

NX_TEST(cached_by_content)
{
    const char *path = put("a/app.c", "#include \"./part.h\"\nint main(void) { return part(); }\n");
    put("a/part.h", "int part(void);\n");
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 7; }\n");
    bool cached = true;
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(!cached);
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(cached);
    /* The same contents at another time. */
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 7; }\n");
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(cached);
    /* An edit of the same length, at once. */
    put("a/part.c", "#include \"./part.h\"\nint part(void) { return 8; }\n");
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(!cached);
    put("a/part.h", "int part(void); /* edited */\n");
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(!cached);
    EXPECT_EQ(compile_only(path, "gcc", &cached), NX_OK);
    EXPECT(!cached);
}

NX_TEST(loads_and_finds_main)
{
    const char *path = put(
        "b/app.c", "#include \"./x.h\"\nint main(int c, char **v) { (void)v; return c + x(); }\n");
    put("b/x.h", "int x(void);\n");
    put("b/x.c", "int x(void) { return 40; }\n");
    struct nx__compiled out;
    int (*entry)(int, char **) = NULL;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    EXPECT_EQ(nx__module_load_app(out.so_fd, out.so_path, &entry), NX_OK);
    EXPECT(entry && entry(2, NULL) == 42);
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

NX_TEST(sources_come_and_go)
{
    for (int i = 0; i < COMPILERS; i++) {
        const char *path =
            put("j/app.c", "#include \"./part.h\"\nint main(void) { return part(); }\n");
        put("j/part.h", "int part(void);\n");
        put("j/part.c", "int part(void) { return 7; }\n");
        EXPECT_EQ(outcome(path, compilers[i]), 7);
        /* What is no longer included is no longer compiled in, though it is still there. */
        put("j/other.h", "int part(void);\n");
        put("j/other.c", "int part(void) { return 9; }\n");
        put("j/app.c", "#include \"./other.h\"\nint main(void) { return part(); }\n");
        EXPECT_EQ(outcome(path, compilers[i]), 9);
        /* A header's source goes, and comes again with the header as it was. */
        char other[512];
        snprintf(other, sizeof other, "%s", put("j/other.c", ""));
        (void)unlink(other);
        EXPECT_EQ(compile_only(path, compilers[i], NULL), NX_ECOMPILE);
        put("j/other.c", "int part(void) { return 5; }\n");
        EXPECT_EQ(outcome(path, compilers[i]), 5);
        /* Defined twice. */
        put("j/app.c", "#include \"./other.h\"\nint part(void) { return 1; }\n" PROGRAM);
        EXPECT_EQ(compile_only(path, compilers[i], NULL), NX_ECOMPILE);
    }
}

NX_TEST(names_with_spaces)
{
    const char *path =
        put("k l/my app.c", "#include \"./a part.h\"\nint main(void) { return part(); }\n");
    put("k l/a part.h", "int part(void);\n");
    put("k l/a part.c", "int part(void) { return 7; }\n");
    for (int i = 0; i < COMPILERS; i++) EXPECT_EQ(outcome(path, compilers[i]), 7);
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

NX_TEST(inputs)
{
    const char *path = put("l/app.c", "#include <stdio.h>\n#include \"inc/x.h\"\n" PROGRAM);
    put("l/inc/x.h", "int x(void);\n");
    for (int i = 0; i < COMPILERS; i++) {
        struct nx__compiled out;
        EXPECT_EQ(compile(path, compilers[i], &out), NX_OK);
        EXPECT(has_input(&out, "l/app.c") && has_input(&out, "l/inc/x.h") &&
               has_input(&out, "/include/stdio.h"));
        nx__compiled_free(&out);
        /* A broken header is watched until it is mended. */
        put("l/inc/x.h", "int x(void;\n");
        EXPECT_EQ(compile(path, compilers[i], &out), NX_ECOMPILE);
        EXPECT(has_input(&out, "l/app.c") && has_input(&out, "l/inc/x.h"));
        nx__compiled_free(&out);
        put("l/inc/x.h", "int x(void);\n");
    }
}

/* The file changes after the compiler has read it and before it has ended. */
NX_TEST(changed_meanwhile)
{
    char slow[512];
    snprintf(slow, sizeof slow, "%s",
             put("m/slow-gcc", "#!/bin/sh\ngcc \"$@\"\nstatus=$?\nsleep 0.3\nexit $status\n"));
    EXPECT_EQ(chmod(slow, 0700), 0);
    const char *path = put("m/app.c", "int main(void) { return 1; }\n");
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(200 * 1000);
        put("m/app.c", "int main(void) { return 2; }\n");
        _exit(0);
    }
    EXPECT_EQ(compile_only(path, slow, NULL), NX_OK);
    int status;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(outcome(path, slow), 2);
}

NX_TEST(packages)
{
    const char *path =
        put("c/deep/app.c", "#include <pkg/pkg.h>\nint main(void) { return pkg(); }\n");
    put("c/nexus_modules/pkg/pkg.h", "int pkg(void);\n");
    put("c/nexus_modules/pkg/pkg.c", "#include \"pkg.h\"\nint pkg(void) { return 0; }\n");
    put("c/nexus.toml", "[project]\nname = \"c\"\n");
    EXPECT_EQ(compile_only(path, "gcc", NULL), NX_OK);
    EXPECT_EQ(compile_only(path, NULL, NULL), NX_OK);
}

NX_TEST(falls_through_to_a_compiler_that_can)
{
    const char *path =
        put("d/app.c", "static _Thread_local int n;\nint main(void) { return n; }\n");
    struct nx__compiled out;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    EXPECT(out.compiler && !strstr(out.compiler, "tcc"));
    nx__compiled_free(&out);
}

NX_TEST(mistakes)
{
    struct nx__compiled out;
    EXPECT_EQ(compile(put("e/bad.c", "int main(void) { return ; ]\n"), NULL, &out), NX_ECOMPILE);
    EXPECT(out.input_count >= 1);
    nx__compiled_free(&out);
    EXPECT_EQ(compile_only("/nowhere/app.c", NULL, NULL), NX_ENOENT);
    EXPECT(strstr(nx_error_last()->message, "cannot read \"/nowhere/app.c\": no such file") !=
           NULL);
    EXPECT_EQ(compile_only(put("e/ok.c", PROGRAM), "no-such-compiler", NULL), NX_ENOENT);
    struct nx__compile_request release = {
        .path = put("e/ok.c", PROGRAM), .compiler = "tcc", .release = true};
    EXPECT_EQ(nx__module_compile(&release, &out), NX_EINVAL);
    nx__compiled_free(&out);
    EXPECT_EQ(compile_only(folder, NULL, NULL), NX_EIO);
    char fifo[512];
    snprintf(fifo, sizeof fifo, "%s/e/fifo.c", folder);
    EXPECT_EQ(mkfifo(fifo, 0600), 0);
    EXPECT_EQ(compile_only(fifo, NULL, NULL), NX_EINVAL);
    int (*entry)(int, char **);
    struct nx__compiled no_main;
    EXPECT_EQ(compile(put("e/nomain.c", "int x;\n"), NULL, &no_main), NX_OK);
    EXPECT_EQ(nx__module_load_app(no_main.so_fd, no_main.so_path, &entry), NX_ECOMPILE);
    nx__compiled_free(&no_main);
}

/* A compiler that is told to read what it was not given reads nothing. */
NX_TEST(the_compiler_is_sealed)
{
    if (!nx__tool_sealed()) {
        printf("skipped: this kernel has no Landlock\n");
        return;
    }
    const char *include = put("f/include.c", "#include \"/etc/passwd\"\n" PROGRAM);
    const char *incbin = put("f/incbin.c", "__asm__(\".incbin \\\"/etc/passwd\\\"\");\n" PROGRAM);
    const char *outside = put("g/secret.h", "#define SECRET 1\n");
    char escape[600];
    snprintf(escape, sizeof escape, "#include \"%s\"\n" PROGRAM, outside);
    EXPECT_EQ(compile_only(include, "gcc", NULL), NX_ECOMPILE);
    EXPECT_EQ(compile_only(incbin, "gcc", NULL), NX_ECOMPILE);
    EXPECT_EQ(compile_only(include, "tcc", NULL), NX_ECOMPILE);
    EXPECT_EQ(compile_only(put("f/escape.c", escape), "gcc", NULL), NX_ECOMPILE);
    EXPECT_EQ(compile_only(put("f/fine.c", PROGRAM), "gcc", NULL), NX_OK);
}

NX_TEST(eight_at_once)
{
    const char *path = put("h/app.c", "int main(void) { return 5; }\n");
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(compile_only(path, NULL, NULL) != NX_OK);
    }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        EXPECT(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    bool cached = false;
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(cached);
}

/* Whatever happens to the files of the cache, the worst is that the program is compiled again. */
NX_TEST(a_damaged_cache)
{
    const char *path = put("i/app.c", "int main(void) { return 6; }\n");
    struct nx__compiled out;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    EXPECT_EQ(truncate(out.so_path, 100), 0);
    nx__compiled_free(&out);
    bool cached = true;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    EXPECT(!out.from_cache);
    /* Somebody else may write to it: then it is not run. */
    EXPECT_EQ(chmod(out.so_path, 0666), 0);
    nx__compiled_free(&out);
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(!cached);
    size_t entries;
    uint64_t bytes;
    EXPECT_EQ(nx__cache_info(&entries, &bytes), NX_OK);
    EXPECT(entries > 0 && bytes > 0);
    EXPECT_EQ(nx__cache_prune(1), NX_OK);
    EXPECT_EQ(nx__cache_info(&entries, &bytes), NX_OK);
    EXPECT_EQ(entries, 0);
    EXPECT_EQ(compile_only(path, NULL, &cached), NX_OK);
    EXPECT(!cached);
}

NX_TEST(torn_headers)
{
    const char *path = put("n/app.c", "#include <nexus.h>\nint main(void) { return NX_EPERM; }\n");
    char *headers, torn[600];
    EXPECT_EQ(nx__headers_dir(getenv("NEXUS_CACHE"), &headers), NX_OK);
    snprintf(torn, sizeof torn, "%s/nexus/base.h", headers);
    free(headers);
    EXPECT_EQ(truncate(torn, 100), 0);
    EXPECT_EQ(outcome(path, NULL), NX_EPERM);
}

NX_TEST(last_use)
{
    const char *path = put("o/app.c", "int main(void) { return 3; }\n");
    struct nx__compiled out;
    struct stat st;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, out.so_path, long_ago, 0), 0);
    nx__compiled_free(&out);
    /* The manifest too. */
    char manifests[300];
    snprintf(manifests, sizeof manifests, "%s/m", getenv("NEXUS_CACHE"));
    DIR *dir = opendir(manifests);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        (void)utimensat(dirfd(dir), entry->d_name, long_ago, 0);
    if (dir) (void)closedir(dir);
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    EXPECT(out.from_cache && fstat(out.so_fd, &st) == 0 && st.st_mtim.tv_sec > 1000);
    nx__compiled_free(&out);
}

NX_TEST(a_cache_that_others_can_write)
{
    char open_cache[300];
    snprintf(open_cache, sizeof open_cache, "%s/open", folder);
    EXPECT_EQ(mkdir(open_cache, 0700), 0);
    EXPECT_EQ(chmod(open_cache, 0777), 0);
    char *before = strdup(getenv("NEXUS_CACHE")), *path;
    setenv("NEXUS_CACHE", open_cache, 1);
    EXPECT_EQ(nx__cache_dir(&path), NX_EACCES);
    struct nx__compiled out;
    EXPECT_EQ(compile(put("q/app.c", PROGRAM), NULL, &out), NX_OK);
    EXPECT(out.warning && strstr(out.warning, "somebody else"));
    nx__compiled_free(&out);
    setenv("NEXUS_CACHE", before, 1);
    free(before);
}

/* True when there is nothing in the folder. */
static bool is_empty(const char *path)
{
    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

NX_TEST(without_a_cache)
{
    char *before = strdup(getenv("NEXUS_CACHE")), tmp[300];
    snprintf(tmp, sizeof tmp, "%s/tmp", folder);
    EXPECT_EQ(mkdir(tmp, 0700), 0);
    setenv("TMPDIR", tmp, 1);
    setenv("NEXUS_CACHE", put("s/file/cache", ""), 1);
    const char *path = put("s/app.c", "#include <nexus.h>\n#include \"./part.h\"\n"
                                      "int main(void) { return part() + NX_EPERM; }\n");
    put("s/part.h", "int part(void);\n");
    put("s/part.c", "int part(void) { return 10; }\n");
    struct nx__compiled out, again;
    int (*entry)(int, char **) = NULL;
    for (int i = 0; i < COMPILERS; i++) {
        EXPECT_EQ(compile(path, compilers[i], &out), NX_OK);
        EXPECT(out.warning && strstr(out.warning, "s/file/cache"));
        EXPECT(out.so_path && strncmp(out.so_path, "/memfd:", 7) == 0 && !out.from_cache);
        EXPECT(has_input(&out, "s/part.c"));
        EXPECT(is_empty(tmp));
        /* Nobody can change what is run. */
        EXPECT(write(out.so_fd, "x", 1) < 0 && ftruncate(out.so_fd, 0) < 0);
        /* The same program has the same name, for --watch. */
        EXPECT_EQ(compile(path, compilers[i], &again), NX_OK);
        EXPECT_STR(again.so_path, out.so_path);
        nx__compiled_free(&again);
        EXPECT_EQ(nx__module_load_app(out.so_fd, out.so_path, &entry), NX_OK);
        EXPECT(entry && entry(0, NULL) == 10 + NX_EPERM);
        out.so_fd = -1;
        nx__compiled_free(&out);
    }
    EXPECT_EQ(compile(put("s/bad.c", "int main(void) { return ; ]\n"), NULL, &out), NX_ECOMPILE);
    EXPECT(out.warning && is_empty(tmp));
    nx__compiled_free(&out);
    /* A temporary folder that is none: there are others. */
    char file[512];
    snprintf(file, sizeof file, "%s/s/file/cache", folder);
    setenv("TMPDIR", file, 1);
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    nx__compiled_free(&out);
    /* One where somebody else could change what is compiled. */
    EXPECT_EQ(chmod(tmp, 0777), 0);
    setenv("TMPDIR", tmp, 1);
    size_t place = 0;
    char *made = NULL;
    EXPECT(nx__temporary_make(&place, &made) && strncmp(made, folder, strlen(folder)) != 0);
    if (made) nx__staging_remove(made);
    free(made);
    unsetenv("TMPDIR");
    setenv("NEXUS_CACHE", before, 1);
    free(before);
}

/* A compiler of its own in one of the folders p/1 to p/3. */
static void install(const char *name, const char *comment, mode_t mode)
{
    const char *base = strrchr(name, '/') + 1;
    char script[200];
    snprintf(script, sizeof script, "#!/bin/sh\n# %s\nexec /usr/bin/%s \"$@\"\n", comment, base);
    EXPECT_EQ(chmod(put(name, script), mode), 0);
}

static void uninstall(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    EXPECT_EQ(unlink(path), 0);
}

/* Compiles; NULL when the result was in the cache, else which compiler made it. */
static const char *made_by(const char *path)
{
    static char by[512];
    struct nx__compiled out;
    EXPECT_EQ(compile(path, NULL, &out), NX_OK);
    snprintf(by, sizeof by, "%s", out.compiler ? out.compiler + strlen(folder) + 1 : "");
    bool cached = out.from_cache;
    nx__compiled_free(&out);
    return cached ? NULL : by;
}

/* What the search for a compiler would find is noticed, though it is not repeated. */
NX_TEST(compilers_come_and_go)
{
    char *before = strdup(getenv("PATH")), *path = strdup(put("p/app.c", PROGRAM)), search[1200];
    snprintf(search, sizeof search, "%s/p/1:relative:%s/p/none:%s/p/2:%s/p/3", folder, folder,
             folder, folder);
    put("p/1/other", "");
    install("p/2/gcc", "one", 0755);
    put("p/3/other", "");
    /* Each time at once, while the folders are too fresh to tell, and later. */
    for (unsigned wait = 0; wait <= 60000; wait += 30000) {
        setenv("PATH", search, 1);
        NX_IGNORE(nx__cache_clear());
        (void)usleep(wait);
        EXPECT_STR(made_by(path), "p/2/gcc");
        EXPECT(!made_by(path));
        EXPECT(!made_by(path));
        install("p/3/clang", "not the first", 0755);
        EXPECT(!made_by(path));
        install("p/1/gcc", "nearer, no program yet", 0644);
        EXPECT(!made_by(path));
        (void)usleep(wait);
        install("p/1/gcc", "nearer, no program yet", 0755);
        EXPECT_STR(made_by(path), "p/1/gcc");
        EXPECT(!made_by(path));
        (void)usleep(wait);
        uninstall("p/1/gcc");
        EXPECT_STR(made_by(path), "p/2/gcc");
        (void)usleep(wait);
        install("p/2/gcc", "upgraded", 0755);
        EXPECT_STR(made_by(path), "p/2/gcc");
        EXPECT(!made_by(path));
        (void)usleep(wait);
        install("p/3/tcc", "the first that is asked", 0755);
        EXPECT_STR(made_by(path), "p/3/tcc");
        (void)usleep(wait);
        uninstall("p/3/tcc");
        EXPECT_STR(made_by(path), "p/2/gcc");
        /* Another PATH that leads to the same one. */
        setenv("PATH", strstr(search, ":relative") + 1, 1);
        EXPECT(!made_by(path));
        EXPECT(!made_by(path));
        setenv("PATH", strrchr(search, ':') + 1, 1);
        EXPECT_STR(made_by(path), "p/3/clang");
        uninstall("p/3/clang");
        EXPECT_EQ(compile_only(path, NULL, NULL), NX_ENOENT);
        EXPECT(strstr(nx_error_last()->message, "cannot find a C compiler") != NULL);
        install("p/2/gcc", "one", 0755);
    }
    setenv("PATH", before, 1);
    free(before);
    free(path);
}

/* $CC may be a link, which may come to lead elsewhere. */
NX_TEST(chosen_by_a_link)
{
    char link[300];
    snprintf(link, sizeof link, "%s/p/cc", folder);
    const char *path = put("p/app.c", PROGRAM);
    bool cached = true;
    EXPECT_EQ(symlink("/usr/bin/gcc", link), 0);
    EXPECT_EQ(compile_only(path, link, &cached), NX_OK);
    EXPECT(!cached);
    EXPECT_EQ(compile_only(path, link, &cached), NX_OK);
    EXPECT(cached);
    EXPECT_EQ(unlink(link), 0);
    EXPECT_EQ(symlink("/usr/bin/clang", link), 0);
    EXPECT_EQ(compile_only(path, link, &cached), NX_OK);
    EXPECT(!cached);
}

static bool resolves(const char *from, const char *name, const char *wanted)
{
    char *path = NULL, want[512];
    nx_err err = nx__resolve(from, name, &path);
    snprintf(want, sizeof want, "%s/%s", folder, wanted);
    bool same = !err && strcmp(path, want) == 0;
    if (!same) printf("%s: %s\n", name, err ? nx_error_last()->message : path);
    free(path);
    return same;
}

NX_TEST(resolving)
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
    EXPECT(resolves(from, "./near.c", "r/app/near.c"));
    EXPECT(resolves(from, "./near", "r/app/near.c"));
    EXPECT(resolves(from, "./dir", "r/app/dir/index.c"));
    EXPECT(resolves(from, "../up", "r/up.c"));
    EXPECT(resolves(from, "one", "r/nexus_modules/one/one.c"));
    EXPECT(resolves(from, "two", "r/nexus_modules/two/src/two.c"));
    EXPECT(resolves(from, "three", "r/nexus_modules/three/index.c"));
    char *path;
    EXPECT_EQ(nx__resolve(from, "./none", &path), NX_ENOENT);
    EXPECT_EQ(nx__resolve(from, "none", &path), NX_ENOENT);
    EXPECT_EQ(nx__resolve(from, "", &path), NX_EINVAL);
    EXPECT_EQ(nx__resolve(from, "one/../../app", &path), NX_EINVAL);
}

NX_TEST(manifests)
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
    EXPECT_EQ(nx__manifest_add(&m, &input), NX_OK);
    EXPECT_EQ(nx__manifest_add(&m, &input), NX_OK);
    EXPECT_EQ(m.count, 1);
    struct nx__buffer text = {0};
    EXPECT_EQ(nx__manifest_format(&m, &text), NX_OK);
    EXPECT(nx__manifest_parse(&back, text.data, text.len));
    EXPECT(back.count == 1 && strcmp(back.inputs[0].path, "/a b/c.c") == 0 &&
           back.inputs[0].mtime_ns == -4 && back.so_size == 12);
    EXPECT(nx__found_among(&m.found, &back.found.compilers) && back.found.compilers.count == 2 &&
           back.found.compilers.items[1].folders == 6 && back.found.compilers.searched_ns == 9);
    nx__manifest_free(&back);
    for (size_t cut = 0; cut + 1 < text.len; cut++) {
        if (nx__manifest_parse(&back, text.data, cut)) EXPECT(back.count > 0);
        nx__manifest_free(&back);
    }
    nx__buffer_free(&text);
    nx__manifest_free(&m);
}

int main(int argc, char **argv)
{
    snprintf(folder, sizeof folder, "/tmp/nexus-module-XXXXXX");
    char cache[300];
    if (!mkdtemp(folder)) return 1;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    setenv("NEXUS_CACHE", cache, 1);
    int failed = nx_test_main(argc, argv);
    nx__staging_remove(folder);
    return failed;
}
