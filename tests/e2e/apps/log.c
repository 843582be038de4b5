/* What log_test.py looks at: argv[1] says what to do. */
#include <errno.h>
#include <fcntl.h>
#include <nexus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Some compilers' mode hides it. */
void quick_exit(int code);

static nx_err say(const char *what)
{
    nx_log_info("said", "what", what);
    return NX_OK;
}

/* ---- Lines */

static nx_err levels(void)
{
    int evaluated = 0;
    nx_log_trace("t", "n", ++evaluated);
    nx_log_debug("d", "n", ++evaluated);
    nx_log_info("i");
    nx_log_warn("w");
    nx_log_error("e");
    nx_log_fatal("f");
    nx_log_set_level(NX_LOG_ERROR);
    nx_log_warn("never");
    nx_logf_warn("never %d", ++evaluated);
    nx_log_set_level(NX_LOG_TRACE);
    nx_log_trace("now");
    nx_println("evaluated %d", evaluated);
    return NX_OK;
}

static nx_err kinds(void)
{
    const char *name = "Ann \"B\"";
    unsigned char byte = 200;
    bool yes = true;
    nx_log_info("fields", "int", -1, "uint", 1u, "long", 1L << 40, "byte", byte, "double", 0.5,
                "bool", yes, "string", name, "null", (char *)NULL, "bytes", nx_slice("a\nb", 3),
                "list", nx_arr(1, "two"), "object", nx_obj("k", nx_null()));
    nx_log_info("16", "p", 16, "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6, "g", 7, "h", 8, "i",
                9, "j", 10, "k", 11, "l", 12, "m", 13, "n", 14, "o", 15);
    nx_logf_info("%s: %d %%", name, 42);
    if (yes)
        nx_log_info("if");
    else
        nx_log_info("else");
    char big[5000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    nx_log_info("big", "big", (char *)big);
    nx_logf_info("%s", big);
    char *huge = malloc(100000);
    if (!huge) return NX_ENOMEM;
    memset(huge, 'y', 100000);
    huge[99999] = '\0';
    nx_log_info("huge", "huge", huge, "after", 1);
    free(huge);
    errno = EACCES;
    nx_logf_info("%m");
    nx_println("errno %d", errno);
    return NX_OK;
}

/* Each line of the file, of any bytes, as message, value, name and nested. */
static nx_err bytes(const char *path)
{
    nx_bytes all;
    NX_TRY(nx_fs_read_file(path, &all));
    for (size_t i = 0; i + 64 <= all.len; i += 64) {
        nx_bytes one = nx_slice(all.data + i, 64);
        char text[65];
        memcpy(text, one.data, 64);
        text[64] = '\0';
        nx_value items[6] = {nx_val("value"), nx_val(one),      nx_val(one),
                             nx_val(1),       nx_val("nested"), nx_obj(text, nx_arr(one))};
        nx_log_fields(NX_LOG_INFO, text, items, 6);
    }
    return NX_OK;
}

/* ---- Order */

static nx_err mixed(void)
{
    for (int i = 0; i < 500; i++) {
        nx_println("print %d", i);
        nx_log_info("log", "i", i);
        nx_eprint("eprint %d\n", i);
    }
    return NX_OK;
}

static nx_err in_fiber(void *arg)
{
    (void)arg;
    nx_log_info("in a fiber");
    return NX_OK;
}

static nx_err in_thread(void *arg)
{
    for (int i = 0; i < 1000; i++) nx_log_info("in a thread", "thread", *(int *)arg, "i", i);
    return NX_OK;
}

static nx_err in_pool(void *arg)
{
    return nx_blocking(in_thread, arg);
}

static nx_err threads(void)
{
    static int ids[4] = {0, 1, 2, 3};
    nx_fiber *fibers[4];
    for (int i = 0; i < 4; i++) NX_TRY(nx_spawn(&fibers[i], in_pool, &ids[i]));
    for (int i = 0; i < 4; i++) NX_TRY(nx_join(fibers[i]));
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, in_fiber, NULL, .name = "worker"));
    return nx_join(fiber);
}

/* ---- Ends */

static nx_err exits(void *how)
{
    for (int i = 0; i < 1000; i++) nx_log_info("line", "i", i);
    const char *way = how;
    if (strcmp(way, "exit") == 0) exit(3);
    if (strcmp(way, "quick") == 0) quick_exit(3);
    if (strcmp(way, "abort") == 0) abort();
    if (strcmp(way, "crash") == 0) *(volatile int *)8 = 1;
    return NX_EFAILED;
}

static void at_the_end(void)
{
    nx_log_info("at exit");
    nx_println("printed at exit");
}

static nx_err end(const char *way)
{
    nx_fiber *fiber;
    (void)atexit(at_the_end);
    NX_TRY(nx_spawn(&fiber, exits, (void *)(uintptr_t)way));
    return nx_join(fiber);
}

/* Logs for ever, and notes in shared memory how many lines were logged. */
static nx_err count(const char *shared)
{
    int fd = open(shared, O_RDWR);
    volatile uint64_t *logged = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || logged == MAP_FAILED) return NX_EFAILED;
    for (uint64_t i = 0;; i++) {
        nx_log_info("line", "i", i);
        *logged = i + 1;
        if (i % 64 == 0) NX_TRY(nx_yield());
    }
}

static nx_err forked(void)
{
    nx_log_info("parent before");
    nx_println("printed before");
    pid_t pid = fork();
    if (pid == 0) {
        nx_log_info("child");
        nx_println("printed by the child");
        exit(0);
    }
    int status;
    NX_TRY(nx_child_wait(pid, &status));
    nx_log_info("parent after");
    return status;
}

/* ---- Readers that don't read */

static nx_err flood(int lines)
{
    nx_duration begun = nx_now(), worst = 0;
    for (int i = 0; i < lines; i++) {
        nx_duration start = nx_now();
        nx_log_info("flood", "i", i, "fill", "................................................");
        nx_duration took = nx_now() - start;
        if (took > worst) worst = took;
        if (i % 100 == 0) NX_TRY(nx_yield());
    }
    nx_println("%lld ms, worst %lld ms, %llu dropped", (long long)((nx_now() - begun) / NX_MS(1)),
               (long long)(worst / NX_MS(1)), (unsigned long long)nx_log_dropped());
    return NX_OK;
}

static nx_err ticks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        nx_eprintln("tick");
        NX_TRY(nx_sleep(NX_MS(10)));
    }
    return NX_OK;
}

/* A reader of the standard output who is slow holds up this fiber, and no other. */
static nx_err much(void)
{
    nx_fiber *ticker;
    NX_TRY(nx_spawn(&ticker, ticks, NULL));
    for (int i = 0; i < 40000; i++)
        NX_TRY(nx_println("%d ....................................................", i));
    return nx_join(ticker);
}

static nx_err wait_then(const char *what, int ms)
{
    NX_TRY(nx_sleep(NX_MS(ms)));
    return say(what);
}

static nx_err printing(void)
{
    for (int i = 0;; i++) NX_TRY(nx_println("%d", i));
}

/* ---- A server */

static nx_err hello(nx_request *req, nx_response *res)
{
    nx_log_info("handled", "id", nx_request_param(req, "id"));
    return nx_response_send(res, "hello");
}

static nx_err leave(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    nx_log_info("leaving");
    exit(5);
    return NX_OK;
}

static nx_err fail(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return nx_fail(NX_EIO, "no database");
}

static nx_err serve(const char *port)
{
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)strtol(port, NULL, 10));
    nx_http_route(server, "GET", "/hello/:id", hello);
    nx_http_route(server, "GET", "/fail", fail);
    nx_http_route(server, "GET", "/exit", leave);
    return nx_http_listen(server);
}

static nx_err run(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *more = argc > 2 ? argv[2] : "";
    const char *file = getenv("LOG_FILE"), *max = getenv("LOG_MAX");
    nx_log_options options = {.size = sizeof options,
                              .file = file,
                              .max_size = max ? strtoull(max, NULL, 10) : 0,
                              .keep = 2,
                              .style = getenv("LOG_JSON") ? NX_LOG_JSON : NX_LOG_TEXT,
                              .level = getenv("LOG_DEBUG") ? NX_LOG_DEBUG : NX_LOG_INFO,
                              .when_full = getenv("LOG_BLOCK") ? NX_LOG_BLOCK : NX_LOG_DROP};
    if (file || getenv("LOG_JSON") || getenv("LOG_BLOCK") || getenv("LOG_DEBUG"))
        NX_TRY(nx_log_setup_with(&options));
    if (strcmp(what, "say") == 0) return say(more);
    if (strcmp(what, "levels") == 0) return levels();
    if (strcmp(what, "kinds") == 0) return kinds();
    if (strcmp(what, "bytes") == 0) return bytes(more);
    if (strcmp(what, "mixed") == 0) return mixed();
    if (strcmp(what, "threads") == 0) return threads();
    if (strcmp(what, "end") == 0) return end(more);
    if (strcmp(what, "count") == 0) return count(more);
    if (strcmp(what, "fork") == 0) return forked();
    if (strcmp(what, "much") == 0) return much();
    if (strcmp(what, "print") == 0) return printing();
    if (strcmp(what, "serve") == 0) return serve(more);
    if (strcmp(what, "reopen") == 0) {
        NX_TRY(say("before"));
        for (int i = 0; i < 20; i++) NX_TRY(wait_then("tick", 250));
        return NX_OK;
    }
    if (strcmp(what, "flood") == 0) {
        NX_TRY(flood(atoi(more)));
        return argc > 3 ? wait_then("afterwards", atoi(argv[3])) : NX_OK;
    }
    return NX_EUSAGE;
}

int main(int argc, char **argv)
{
    nx_err err = run(argc, argv);
    if (err) nx_eprintln("log.c: %s", nx_error_last()->message);
    return err;
}
