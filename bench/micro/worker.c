/* The rows of workers, in microseconds: starting and joining one, a message there and back, the
 * same with a parcel of 1 MiB; starting and joining a process worker, and a message of 64 bytes
 * there and back; and how many times faster a loop over items is on all cores than on one. Prints
 * {"start":…,"round_trip":…,"parcel":…,"process_start":…,"process_round_trip":…,"speedup":…}. */
#include <nexus/timer.h>
#include <nexus/worker.h>
#include <stdio.h>

#define STARTS   300
#define TRIPS    20000
#define PARCEL   (1 << 20)
#define MESSAGE  64
#define ITEMS    2000
#define STEPS    20000 /* of an item's computation */
#define US(t, n) ((double)(t) / 1000.0 / (n))

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static nx_err measure_start(double *out)
{
    nx_duration start = nx_now();
    for (int i = 0; i < STARTS; i++) {
        nx_fiber *worker;
        NX_TRY(nx_worker_start(&worker, nothing, NULL));
        NX_TRY(nx_join(worker));
    }
    *out = US(nx_now() - start, STARTS);
    return NX_OK;
}

/* ---- There and back */

struct line {
    nx_channel *there, *back;
};

static nx_err echo(void *arg)
{
    struct line *line = arg;
    long value;
    while (nx_recv(line->there, &value) == NX_OK) NX_TRY(nx_send(line->back, &value));
    return NX_OK;
}

static nx_err measure_round_trip(double *out)
{
    struct line line;
    nx_fiber *worker;
    NX_TRY(nx_channel_new_shared(&line.there, sizeof(long), 1));
    NX_TRY(nx_channel_new_shared(&line.back, sizeof(long), 1));
    NX_TRY(nx_worker_start(&worker, echo, &line));
    nx_duration start = 0;
    for (long i = -TRIPS / 10; i < TRIPS; i++) {
        if (!i) start = nx_now();
        NX_TRY(nx_send(line.there, &i));
        NX_TRY(nx_recv(line.back, &i));
    }
    *out = US(nx_now() - start, TRIPS);
    nx_channel_close(line.there);
    NX_TRY(nx_join(worker));
    nx_channel_free(line.there);
    nx_channel_free(line.back);
    return NX_OK;
}

static nx_err echo_parcels(void *arg)
{
    struct line *line = arg;
    nx_parcel *parcel;
    while (nx_parcel_recv(line->there, &parcel) == NX_OK) {
        parcel->data[0]++;
        NX_TRY(nx_parcel_send(line->back, &parcel));
    }
    return NX_OK;
}

static nx_err measure_parcel(double *out)
{
    struct line line;
    nx_fiber *worker;
    nx_parcel *parcel;
    NX_TRY(nx_parcel_channel_new(&line.there, 1));
    NX_TRY(nx_parcel_channel_new(&line.back, 1));
    NX_TRY(nx_parcel_new(&parcel, PARCEL));
    memset(parcel->data, 1, PARCEL);
    NX_TRY(nx_worker_start(&worker, echo_parcels, &line));
    nx_duration start = 0;
    for (int i = -TRIPS / 10; i < TRIPS; i++) {
        if (!i) start = nx_now();
        NX_TRY(nx_parcel_send(line.there, &parcel));
        NX_TRY(nx_parcel_recv(line.back, &parcel));
    }
    *out = US(nx_now() - start, TRIPS);
    nx_parcel_free(parcel);
    nx_channel_close(line.there);
    NX_TRY(nx_join(worker));
    nx_channel_free(line.there);
    nx_channel_free(line.back);
    return NX_OK;
}

/* ---- Processes */

static nx_err echo_port(nx_port *port)
{
    nx_bytes message;
    while (nx_port_recv(port, &message) == NX_OK) NX_TRY(nx_port_send(port, message));
    return NX_OK;
}

static nx_err measure_process_start(double *out)
{
    nx_duration start = nx_now();
    for (int i = 0; i < STARTS; i++) {
        nx_fiber *worker;
        NX_TRY(nx_process_worker_start(&worker, NULL, echo_port));
        NX_TRY(nx_join(worker));
    }
    *out = US(nx_now() - start, STARTS);
    return NX_OK;
}

static nx_err measure_process_round_trip(double *out)
{
    nx_fiber *worker;
    nx_port *port;
    nx_bytes message;
    char bytes[MESSAGE] = "";
    NX_TRY(nx_process_worker_start(&worker, &port, echo_port));
    nx_duration start = 0;
    for (int i = -TRIPS / 10; i < TRIPS; i++) {
        if (!i) start = nx_now();
        NX_TRY(nx_port_send(port, nx_slice(bytes, MESSAGE)));
        NX_TRY(nx_port_recv(port, &message));
    }
    *out = US(nx_now() - start, TRIPS);
    nx_port_close(port);
    return nx_join(worker);
}

/* ---- All cores */

static nx_err compute(const void *in, void *out, void *arg)
{
    uint64_t x = *(const uint64_t *)in;
    (void)arg;
    for (int i = 0; i < STEPS; i++) x = x * 6364136223846793005u + 1442695040888963407u;
    *(uint64_t *)out = x;
    return NX_OK;
}

static nx_err measure_speedup(double *out)
{
    static uint64_t in[ITEMS], results[ITEMS];
    for (uint64_t i = 0; i < ITEMS; i++) in[i] = i;
    NX_TRY(nx_parallel_map(results, in, ITEMS, compute, NULL)); /* starts the threads */
    nx_duration start = nx_now();
    NX_TRY(nx_parallel_map(results, in, ITEMS, compute, NULL, .workers = 1));
    nx_duration one = nx_now() - start;
    start = nx_now();
    NX_TRY(nx_parallel_map(results, in, ITEMS, compute, NULL));
    *out = (double)one / (double)(nx_now() - start);
    return NX_OK;
}

static nx_err measure(double *out)
{
    NX_TRY(measure_start(&out[0]));
    NX_TRY(measure_round_trip(&out[1]));
    NX_TRY(measure_parcel(&out[2]));
    NX_TRY(measure_process_start(&out[3]));
    NX_TRY(measure_process_round_trip(&out[4]));
    return measure_speedup(&out[5]);
}

int main(void)
{
    double out[6] = {0};
    nx_err err = measure(out);
    if (!err)
        printf("{\"start\":%.2f,\"round_trip\":%.2f,\"parcel\":%.2f,\"process_start\":%.2f,"
               "\"process_round_trip\":%.2f,\"speedup\":%.2f}\n",
               out[0], out[1], out[2], out[3], out[4], out[5]);
    return err;
}
