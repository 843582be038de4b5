/* Sources that fibers feed: several that are read as they come, and one with transforms behind it.
 *
 * Each feeder runs a pipe whose sink hands its pieces to the reader through a channel without room:
 * a piece stays where it is until the next one is wanted, so none is kept twice, and nobody is
 * ahead of the reader by more than one. */
#include "loop/loop.h"
#include "stream/stream.h"

#include <nexus/channel.h>
#include <nexus/fiber.h>
#include <stdlib.h>

struct feeder {
    struct feed *feed;
    nx_fiber *fiber; /* while it runs */
    size_t count;
    nx_stream *streams[]; /* of its pipe, whose last one is the feed's */
};

/* What is handed over; it lies with the feeder. */
struct piece {
    nx_bytes bytes;
    const struct feeder *from;
};

struct feed {
    nx_channel *pieces;
    struct piece piece; /* at hand */
    size_t alive, count;
    bool stopping;
    nx_err err; /* the first of any feeder, and what it says */
    struct nx__context why;
    struct nx__op *closing; /* waits until none is alive */
    struct feeder *feeders[];
};

/* ---- A feeder */

static nx_err hand(void *state, nx_bytes bytes)
{
    const struct feeder *f = state;
    const struct piece piece = {bytes, f};
    return nx_send(f->feed->pieces, &piece);
}

/* Once this is taken, so has been what came before. */
static nx_err hand_last(void *state, nx_stream *next)
{
    (void)next;
    return hand(state, (nx_bytes){0});
}

/* After an error, of whichever feeder, the last piece goes with the buffer that it lies in. */
static void hand_close(void *state)
{
    const struct feeder *f = state;
    if (f->feed->piece.from == f) f->feed->piece = (struct piece){0};
}

static nx_stream *hand_new(struct feeder *f)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a feed",
                                        .write = hand,
                                        .finish = hand_last,
                                        .close = hand_close};
    return nx_stream_new(&type, f);
}

static nx_err feeder_run(void *arg)
{
    struct feeder *f = arg;
    struct feed *feed = f->feed;
    nx_err err = NX_OK;
    f->fiber = nx_fiber_current();
    if (feed->stopping)
        for (size_t i = 0; i < f->count; i++) nx_stream_close(f->streams[i]);
    else
        err = nx_pipe_with(f->streams, f->count);
    f->fiber = NULL;
    if (err && !feed->err) {
        feed->err = err;
        feed->why = *nx__context();
    }
    feed->alive--;
    if (err || !feed->alive) nx_channel_close(feed->pieces);
    if (!feed->alive && feed->closing) nx__op_complete(feed->closing, 0);
    return NX_OK;
}

/* ---- The feed */

static nx_err feed_read(void *state, void *data, size_t len, size_t *got)
{
    struct feed *feed = state;
    nx_bytes *left = &feed->piece.bytes;
    while (!left->len) {
        nx_err err = nx_recv(feed->pieces, &feed->piece);
        if (err) feed->piece = (struct piece){0};
        if (err == NX_ECLOSED) return feed->err ? nx__error_take(&feed->why, feed->err) : NX_OK;
        NX_TRY(err);
    }
    *got = len < left->len ? len : left->len;
    memcpy(data, left->data, *got);
    *left = nx_slice(left->data + *got, left->len - *got);
    return NX_OK;
}

static void feed_close(void *state)
{
    struct feed *feed = state;
    feed->stopping = true;
    if (feed->pieces) nx_channel_close(feed->pieces);
    for (size_t i = 0; i < feed->count; i++)
        if (feed->feeders[i]->fiber) nx_cancel(feed->feeders[i]->fiber);
    if (feed->alive) {
        struct nx__op op = {.call = "in closing a stream"};
        feed->closing = &op;
        (void)nx__op_wait_uncanceled(&op);
    }
    for (size_t i = 0; i < feed->count; i++) free(feed->feeders[i]);
    nx_channel_free(feed->pieces);
    free(feed);
}

/* Starts one whose pipe begins with these streams, which it takes over. */
static nx_err feeder_start(struct feed *feed, nx_stream *const *streams, size_t count)
{
    struct feeder *f = malloc(sizeof *f + (count + 1) * sizeof *f->streams);
    nx_err err = f ? NX_OK : nx__error_set(NX_ENOMEM, "cannot feed a stream: out of memory");
    if (f) {
        f->feed = feed;
        f->fiber = NULL;
        f->count = count + 1;
        memcpy(f->streams, streams, count * sizeof *streams);
        f->streams[count] = hand_new(f);
        err = nx_spawn(NULL, feeder_run, f, .name = "feeder", .detached = true);
    }
    if (!err) {
        feed->feeders[feed->count++] = f;
        feed->alive++;
        return NX_OK;
    }
    struct nx__context why = *nx__context();
    for (size_t i = 0; i < count; i++) nx_stream_close(streams[i]);
    if (f) nx_stream_close(f->streams[count]);
    free(f);
    return nx__error_take(&why, err);
}

/* A feed with room for so many feeders; NULL, with the error recorded. */
static struct feed *feed_new(size_t most)
{
    struct feed *feed = calloc(1, sizeof *feed + most * sizeof *feed->feeders);
    if (feed && nx_channel_new(&feed->pieces, sizeof(struct piece), 0) == NX_OK) return feed;
    free(feed);
    NX_IGNORE(nx__error_set(NX_ENOMEM, "cannot feed a stream: out of memory"));
    return NULL;
}

static nx_stream *feed_stream(struct feed *feed, const char *name)
{
    const nx_stream_type type = {
        .size = sizeof type, .name = name, .read = feed_read, .close = feed_close};
    return nx_stream_new(&type, feed);
}

/* One that could not be made: with the error that is recorded, whatever closing says. */
static nx_stream *feed_failed(struct feed *feed)
{
    struct nx__context why = *nx__context();
    if (feed) feed_close(feed);
    NX_IGNORE(nx__error_take(&why, why.error.code));
    return nx_stream_failed();
}

nx_stream *nx_merge_with(nx_stream *const *sources, size_t count)
{
    nx_stream **copy = nx__streams_copy(sources, count, "a merge");
    if (!copy) return nx_stream_failed();
    struct feed *feed = feed_new(count);
    nx_err err = feed ? NX_OK : NX_ENOMEM;
    size_t begun = 0;
    while (!err && begun < count) err = feeder_start(feed, &copy[begun++], 1);
    struct nx__context why = *nx__context();
    while (begun < count) nx_stream_close(copy[begun++]);
    free(copy);
    if (err) {
        NX_IGNORE(nx__error_take(&why, err));
        return feed_failed(feed);
    }
    if (!count) nx_channel_close(feed->pieces);
    return feed_stream(feed, "a merge");
}

nx_stream *nx_through_with(nx_stream *const *streams, size_t count)
{
    nx_stream **copy = nx__streams_copy(streams, count, "a source with transforms");
    if (!copy) return nx_stream_failed();
    struct feed *feed = count ? feed_new(1) : NULL;
    nx_err err = NX_OK;
    if (!count)
        err = nx__error_set(NX_EINVAL, "there is no source for transforms");
    else if (feed)
        err = feeder_start(feed, copy, count);
    else
        for (size_t i = 0; i < count; i++) nx_stream_close(copy[i]);
    free(copy);
    return err || !feed ? feed_failed(feed) : feed_stream(feed, "a source with transforms");
}
