/* Memory that runs out: the same program again and again, each time with one more allocation that
 * goes through. */
#include "faults.h"
#include "loop_test.h"

#include "loop/uring.h"
#include <nexus/fs.h>
#include <unistd.h>

static nx_err task(void *arg)
{
    nx_scope *scope;
    int value = 1;
    NX_TRY(nx_scope_open(&scope, .deadline = NX_S(30)));
    if (!nx_alloc(100) || !nx_alloc(10000)) {
        NX_IGNORE(nx_scope_close(&scope));
        return NX_ENOMEM;
    }
    nx_err err = nx_send(arg, &value);
    nx_err closed = nx_scope_close(&scope);
    return err ? err : closed;
}

static int fired;

static void fire(void *arg)
{
    (void)arg;
    fired++;
}

static void defer(void *arg)
{
    ++*(int *)arg;
}

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static int program(int argc, char **argv)
{
    (void)argc, (void)argv;
    static const char path[] = "/proc/self/status";
    nx_err err = NX_OK;
    nx_channel *channel = NULL;
    nx_scope *scope = NULL;
    int deferred = 0, wanted = 0, value;
    err = nx_channel_new(&channel, sizeof value, 4);
    if (!err) err = nx_scope_open(&scope);
    if (!err && (err = nx_defer(defer, &deferred)) == NX_OK) wanted = 1;
    for (int i = 0; i < 3 && !err; i++) err = nx_spawn(NULL, task, channel);
    size_t which;
    if (!err) err = nx_select(&which, nx_on_recv(channel, &value), nx_on_timeout(NX_S(30)));
    nx_bytes text;
    if (!err) err = nx_fs_read_file(path, &text);
    if (!err) err = nx_blocking(nothing, NULL);
    if (!err && !nx_set_timeout(fire, NULL, 1)) err = nx_error_last()->code;
    for (int i = 0; i < 40 && !err; i++)
        if (!nx_set_immediate(fire, NULL)) err = nx_error_last()->code;
    if (!err) err = nx_post(nx_loop_current(), fire, NULL);
    if (!err) err = nx_sleep(NX_MS(1));
    nx_err closed = nx_scope_close(&scope);
    nx_expect_eq(deferred, wanted);
    nx_channel_free(channel);
    return err && err != NX_ECANCELED ? (int)err : (int)closed;
}

/* Each allocation fails, alone or with all after it. */
static int exhaust(void *rest_too)
{
#if !defined(NX__ASAN) && !defined(NX__TSAN) /* whose reports go there */
    if (!freopen("/dev/null", "w", stderr)) return 2;
#endif
    int at = 0, clean = 0;
    int what = *(bool *)rest_too ? FAULTS_NO_MEMORY : FAULTS_MEMORY;
    for (; clean < 3 && at < 2000; at++) {
        faults_begin(what, (unsigned long)at + 1);
        int code = nx__program_run(program, 0, NULL);
        bool failed = faults_stop();
        if (code != NX_OK && !(failed && (code == NX_ENOMEM || code == NX_EAGAIN)))
            nx_test_fail("at %d: exit code %d", at, code);
        clean = failed ? 0 : clean + 1;
    }
    nx_expect_gt(at, 5);
    nx_expect_eq(clean, 3); /* and then it needs no more */
    return 0;
}

static void exhaust_apart(bool rest_too)
{
    nx_expect_eq(apart(exhaust, &rest_too), 0);
}

NX_TEST("one allocation fails", .deadline = NX_S(60))
{
    exhaust_apart(false);
}

NX_TEST("every allocation fails from one on", .deadline = NX_S(60))
{
    exhaust_apart(true);
}

NX_TEST("the same without a ring", .deadline = NX_S(60))
{
    nx__uring_refused = true;
    exhaust_apart(false);
    exhaust_apart(true);
}
