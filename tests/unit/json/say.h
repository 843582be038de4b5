/* JSON said back in one spelling, by the tree and by the events: the two must agree. Used by unit
 * tests and the fuzzer. */
#ifndef NX_TEST_JSON_SAY_H
#define NX_TEST_JSON_SAY_H

#include "json/events.h"
#include "json/tree.h"
#include <stdio.h>
#include <stdlib.h>

struct said {
    nx_err err;
    size_t stopped; /* by the events: how much of the text they took */
    const char *reason;
    struct nx__buffer text;
};

static inline void say(struct said *s, const char *data, size_t len)
{
    if (nx__buffer_append(&s->text, data, len, SIZE_MAX)) abort();
}

static inline void say_string(struct said *s, nx_bytes text)
{
    char head[32];
    int n = snprintf(head, sizeof head, "%zu:", text.len);
    say(s, head, (size_t)n);
    say(s, text.data, text.len);
}

static inline void say_scalar(struct said *s, nx_json json)
{
    char text[64];
    int n = 0;
    switch (nx_json_kind_of(json)) {
    case NX_JSON_NULL: n = snprintf(text, sizeof text, "null"); break;
    case NX_JSON_BOOL:
        n = snprintf(text, sizeof text, nx_json_bool(json, false) ? "true" : "false");
        break;
    case NX_JSON_NUMBER:
        n = snprintf(text, sizeof text, "%.17g/%lld", nx_json_double(json, 0),
                     (long long)nx_json_int(json, -7));
        break;
    case NX_JSON_STRING: say_string(s, nx_json_string(json, NULL)); break;
    default: abort();
    }
    say(s, text, (size_t)n);
}

static inline void say_tree(struct said *s, nx_json json)
{
    nx_json_kind kind = nx_json_kind_of(json);
    if (kind != NX_JSON_ARRAY && kind != NX_JSON_OBJECT) {
        say_scalar(s, json);
        return;
    }
    say(s, kind == NX_JSON_ARRAY ? "[" : "{", 1);
    for (nx_json_each each = nx_json_begin(json); nx_json_next(&each);) {
        if (kind == NX_JSON_OBJECT) say_string(s, each.name);
        say_tree(s, each.value);
        say(s, ",", 1);
    }
    say(s, kind == NX_JSON_ARRAY ? "]" : "}", 1);
}

static inline void say_by_tree(struct said *s, const char *data, size_t len, uint32_t max_depth)
{
    struct nx__json_doc doc = {
        .what = "it", .of_peer = true, .duplicates = NX_JSON_DUPLICATES_FIRST};
    *s = (struct said){0};
    s->err = nx__json_tree_read(&doc, nx_slice(data, len), max_depth);
    if (!s->err) say_tree(s, nx__json_root(&doc));
    nx__json_tree_free(&doc);
}

/* The text comes in two pieces, the first of `cut` bytes, the second in steps of `step` (0: whole).
 */
static inline void say_by_events(struct said *s, const char *data, size_t len, uint32_t max_depth,
                                 size_t cut, size_t step)
{
    static const struct nx__json_doc doc = {.what = "it"};
    struct nx__json_events e = {.max_depth = max_depth, .max_token = SIZE_MAX};
    *s = (struct said){0};
    size_t done = 0;
    char *piece = NULL;
    size_t have = 0, at = 0;
    for (;;) {
        size_t used;
        bool last = done + (have - at) == len && at == have;
        enum nx__json_progress progress =
            nx__json_feed(&e, piece ? piece + at : "", have - at, last, &used);
        if (used > have - at) abort();
        at += used;
        done += used;
        if (progress == NX__JSON_ERROR) {
            s->err = e.err;
            s->reason = e.reason;
            break;
        }
        if (progress == NX__JSON_EVENT) {
            if (e.kind == NX_JSON_END) break;
            if (e.event_name.data) say_string(s, e.event_name);
            switch (e.kind) {
            case NX_JSON_OBJECT_BEGIN: say(s, "{", 1); continue;
            case NX_JSON_ARRAY_BEGIN: say(s, "[", 1); continue;
            case NX_JSON_OBJECT_END: say(s, "}", 1); break;
            case NX_JSON_ARRAY_END: say(s, "]", 1); break;
            default: say_scalar(s, (nx_json){&doc, &e.scalar}); break;
            }
            if (e.event_depth) say(s, ",", 1);
            continue;
        }
        if (at != have || last)
            abort(); /* it wants more, so it took all; and at the end it knows */
        /* A copy of exactly this piece, so that a sanitizer sees what is read outside of it, or
         * after it. */
        free(piece);
        have = done < cut ? cut - done : len - done;
        if (done >= cut && step && have > step) have = step;
        at = 0;
        piece = malloc(have ? have : 1);
        if (!piece) abort();
        memcpy(piece, data + done, have);
    }
    s->stopped = done;
    free(piece);
    nx__json_events_free(&e);
}

static inline bool said_eq(const struct said *a, const struct said *b)
{
    return a->err == b->err &&
           (a->err || (a->text.len == b->text.len &&
                       (!a->text.len || memcmp(a->text.data, b->text.data, a->text.len) == 0)));
}

#endif
