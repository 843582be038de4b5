/* A multipart body taken apart, whole and in pieces. Used by unit tests and by the fuzzer. */
#ifndef NX_TEST_PARTS_H
#define NX_TEST_PARTS_H

#include "base/buffer.h"
#include "http/multipart.h"
#include <stdio.h>
#include <stdlib.h>

struct parts {
    enum nx__multipart_event event; /* the last */
    nx_err err;
    const char *reason;
    struct nx__buffer text; /* "<name|filename|type:data>" for each part */
};

static inline void parts_say(struct parts *p, nx_bytes text)
{
    if (nx__buffer_append(&p->text, text.data, text.len, SIZE_MAX)) abort();
}

/* The body comes in two pieces, the first of `cut` bytes, the second in steps of `step` (0: whole).
 */
static inline void parts_take(struct parts *p, const char *type, const char *data, size_t len,
                              size_t cut, size_t step)
{
    struct nx__arena arena = {0};
    struct nx__multipart m;
    *p = (struct parts){0};
    p->err = nx__multipart_init(&m, nx_str(type), 256, 32, &arena);
    p->event = p->err ? NX__MULTIPART_ERROR : NX__MULTIPART_MORE;
    for (size_t done = 0; done < len && p->event < NX__MULTIPART_END;) {
        size_t have = done < cut ? cut - done : len - done, used;
        if (done >= cut && step && have > step) have = step;
        /* A copy of exactly this piece, so that a sanitizer sees each byte that is read behind it.
         */
        char *piece = malloc(have);
        if (!piece) abort();
        memcpy(piece, data + done, have);
        nx_bytes got = {0};
        p->event = nx__multipart_feed(&m, piece, have, &used, &got);
        if (used > have || (p->event == NX__MULTIPART_MORE && used != have)) abort();
        done += used;
        if (p->event == NX__MULTIPART_PART) {
            const nx_part *part = &m.part;
            if (part->name.data[part->name.len] ||
                (part->filename.data && part->filename.data[part->filename.len]))
                abort();
            parts_say(p, nx_str("<"));
            parts_say(p, part->name);
            parts_say(p, nx_str("|"));
            if (part->filename.data) parts_say(p, part->filename);
            if (part->filename.data && (memchr(part->filename.data, '/', part->filename.len) ||
                                        memchr(part->filename.data, '\\', part->filename.len)))
                abort();
            parts_say(p, nx_str("|"));
            if (part->type.data) parts_say(p, part->type);
            parts_say(p, nx_str(":"));
        } else if (p->event == NX__MULTIPART_DATA) {
            if (!got.len) abort();
            parts_say(p, got);
        } else if (p->event == NX__MULTIPART_PART_END) {
            parts_say(p, nx_str(">"));
        }
        free(piece);
    }
    if (p->event == NX__MULTIPART_ERROR) {
        p->err = m.err;
        p->reason = m.reason;
    } else if (p->event != NX__MULTIPART_END) {
        p->event = NX__MULTIPART_MORE;
    }
    nx__arena_reset(&arena);
}

static inline bool parts_eq(const struct parts *a, const struct parts *b)
{
    return a->event == b->event && a->err == b->err && a->reason == b->reason &&
           a->text.len == b->text.len &&
           (!a->text.len || memcmp(a->text.data, b->text.data, a->text.len) == 0);
}

#endif
