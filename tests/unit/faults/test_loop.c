/* Loops, workers and processes where memory runs out or system calls fail: what was asked for is
 * refused, and the loop goes on. */
#include "faults.h"

#include "loop/uring.h"
#include <errno.h>
#include <nexus/channel.h>
#include <nexus/fiber.h>
#include <nexus/process.h>
#include <nexus/runtime.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <nexus/worker.h>
#include <signal.h>
#include <string.h>

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static nx_err timers(void)
{
    static int fired; /* what was set before a failure fires later */
    if (!nx_set_timeout(count, &fired, 1)) return nx_error_last()->code;
    if (!nx_set_immediate(count, &fired)) return nx_error_last()->code;
    return nx_sleep(NX_US(10));
}

static nx_err sends(void *arg)
{
    int value = 7;
    return nx_send(arg, &value);
}

static nx_err channels(void)
{
    nx_channel *channel, *shared;
    int value = 0;
    size_t which = 0;
    nx_fiber *sender;
    NX_TRY(nx_channel_new(&channel, sizeof value, 0));
    nx_err err = nx_channel_new_shared(&shared, sizeof value, 2);
    if (!err) {
        nx_channel_free(shared);
        err = nx_spawn(&sender, sends, channel);
    }
    if (!err) err = nx_select(&which, nx_on_recv(channel, &value), nx_on_timeout(NX_S(30)));
    nx_channel_free(channel);
    return err;
}

static nx_err pool(void)
{
    return nx_blocking(nothing, NULL);
}

static nx_err signals(void)
{
    nx_channel *channel;
    int signo = 0;
    NX_TRY(nx_signals(&channel, 1ull << SIGUSR1));
    nx_err err = raise(SIGUSR1) == 0 ? nx_recv(channel, &signo) : NX_EFAILED;
    nx_channel_free(channel);
    if (!err) nx_expect_eq(signo, SIGUSR1);
    return err;
}

static nx_err run(void)
{
    nx_run_result result;
    NX_TRY(nx_run(&result, NX_ARGV("cat"), .input = nx_str("hello"), .env = NX_ARGV("A=1"),
                  .timeout = NX_S(50)));
    nx_expect_eq(result.out, "hello");
    return NX_OK;
}

static nx_err start(void)
{
    nx_process *process;
    nx_process_end end;
    nx_bytes out;
    NX_TRY(nx_process_start(&process, NX_SHELL("echo a; exit 3"), .out = NX_IO_PIPE));
    nx_err err = nx_stream_read_all(nx_process_out(process), 100, &out);
    if (!err) err = nx_process_wait(process, &end);
    nx_process_close(process);
    if (!err) nx_expect_eq(end.code, 3);
    return err;
}

static nx_err worker(void)
{
    nx_fiber *worker;
    NX_TRY(nx_worker_start(&worker, nothing, NULL));
    return nx_join(worker);
}

static nx_err parcels(void)
{
    nx_channel *channel;
    nx_parcel *parcel;
    NX_TRY(nx_parcel_channel_new(&channel, 2));
    nx_err err = nx_parcel_new(&parcel, 100000);
    if (!err) err = nx_parcel_send(channel, &parcel);
    if (!err) err = nx_parcel_recv(channel, &parcel);
    nx_parcel_free(parcel);
    nx_channel_free(channel);
    return err;
}

static nx_err regions(void)
{
    nx_shared *named = NULL, *unnamed = NULL;
    nx_err err = nx_shared_new(&unnamed, 100000, NULL);
    if (!err) err = nx_shared_new(&named, 100000, "faults");
    if (!err) memset(nx_shared_data(named), 1, nx_shared_size(named));
    nx_shared_free(unnamed);
    nx_shared_free(named);
    return err;
}

static nx_err square(size_t index, void *arg)
{
    ((size_t *)arg)[index] = index * index;
    return NX_OK;
}

static nx_err parallel(void)
{
    size_t squares[100] = {0};
    NX_TRY(nx_parallel(100, square, squares));
    nx_expect_eq(squares[99], 99 * 99);
    return NX_OK;
}

static const struct faults_scenario scenarios[] = {
    {.name = "timers", .run = timers},
    {.name = "channels", .run = channels},
    {.name = "the pool", .run = pool},
    {.name = "signals", .run = signals},
    {.name = "parcels", .run = parcels},
    {.name = "a loop over items", .run = parallel},
    {.name = "a process that is run", .run = run},
    {.name = "a process that is started", .run = start},
    {.name = "a worker", .run = worker},
    {.name = "shared memory", .run = regions}};
enum { COUNT = sizeof scenarios / sizeof *scenarios, WITH_CALLS = 4 };

NX_TEST("one allocation fails", .deadline = NX_S(60))
{
    nx__uring_refused = true;
    faults_run(FAULTS_MEMORY, scenarios, COUNT);
}

NX_TEST("memory runs out", .deadline = NX_S(60))
{
    nx__uring_refused = true;
    faults_run(FAULTS_NO_MEMORY, scenarios, COUNT);
}

NX_TEST("system calls fail", .deadline = NX_S(60))
{
    static const int all[] = {EIO, EINTR, EMFILE, FAULTS_SHORT};
    nx__uring_refused = true;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        faults_run(all[i], scenarios + COUNT - WITH_CALLS, WITH_CALLS);
}
