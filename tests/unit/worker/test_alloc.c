/* Memory that runs out: the same again and again, each time with one more allocation that goes
 * through. */
#include "../loop/loop_test.h"
#include "faults.h"

#include <nexus/worker.h>

/* What can fail for want of memory on the calling thread. */
static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static nx_err none(size_t index, void *arg)
{
    (void)index;
    return nothing(arg);
}

static nx_err a_worker(void)
{
    nx_fiber *worker;
    NX_TRY(nx_worker_start(&worker, nothing, NULL));
    return nx_join(worker);
}

static nx_err a_channel(void)
{
    nx_channel *channel;
    NX_TRY(nx_parcel_channel_new(&channel, 2));
    nx_channel_free(channel);
    return NX_OK;
}

static nx_err a_parcel(void)
{
    nx_parcel *parcel;
    NX_TRY(nx_parcel_new(&parcel, 100));
    nx_parcel_free(parcel);
    return NX_OK;
}

static nx_err a_region(void)
{
    nx_shared *shared;
    NX_TRY(nx_shared_new(&shared, 100, NULL));
    nx_shared_free(shared);
    return NX_OK;
}

static nx_err a_loop(void)
{
    return nx_parallel(1, none, NULL);
}

NX_TEST("no memory for one, and the next time there is")
{
    static const struct {
        const char *name;
        nx_err (*make)(void);
    } all[] = {
        {"worker", a_worker}, {"channel", a_channel}, {"parcel", a_parcel}, {"region", a_region}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        nx_subtest ("%s", all[i].name) {
            faults_begin(FAULTS_MEMORY, 1);
            nx_err err = all[i].make();
            faults_stop();
            nx_expect_err(NX_ENOMEM, err);
            nx_expect_contains(nx_error_last()->message, "out of memory");
            nx_expect_ok(all[i].make());
        }
    }
}

NX_TEST("no memory for a loop over items")
{
    faults_begin(FAULTS_MEMORY, 1); /* for the thread */
    nx_err err = a_loop();
    faults_stop();
    nx_expect_err(NX_ENOMEM, err);
    nx_expect_ok(a_loop());
    faults_begin(FAULTS_MEMORY, 1); /* for the job, now that there is a thread, which sleeps */
    err = a_loop();
    faults_stop();
    nx_expect_err(NX_ENOMEM, err);
    nx_expect_ok(a_loop());
}
