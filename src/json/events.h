/* JSON as events: bytes in, events out, no I/O; what is kept is one token and a bit for each level.
 */
#ifndef NX__JSON_EVENTS_H
#define NX__JSON_EVENTS_H

#include "base/buffer.h"
#include <nexus/json.h>
#include <yyjson.h>

enum { NX__JSON_DEPTH_MOST = 256 };

enum nx__json_state {
    NX__JSON_WANT_VALUE,
    NX__JSON_WANT_ITEM_OR_END, /* behind "[" */
    NX__JSON_WANT_NAME_OR_END, /* behind "{" */
    NX__JSON_WANT_NAME,
    NX__JSON_WANT_COLON,
    NX__JSON_WANT_COMMA_OR_END,
    NX__JSON_DONE
};

enum nx__json_lex {
    NX__JSON_LEX_NONE,
    NX__JSON_LEX_STRING,
    NX__JSON_LEX_ESCAPE,  /* behind a backslash */
    NX__JSON_LEX_UNICODE, /* in the digits of \uXXXX */
    NX__JSON_LEX_NUMBER,
    NX__JSON_LEX_WORD /* true, false, null */
};

/* All zero but for the caps is ready to use. */
struct nx__json_events {
    uint32_t max_depth;
    size_t max_token;
    bool many;

    enum nx__json_state state;
    enum nx__json_lex lex;
    uint32_t depth;
    bool is_name; /* the string that is read */
    bool raw;     /* it is not all ASCII */
    bool seen;    /* something else than white space has come */
    uint8_t digits;
    uint16_t unit;        /* of the \uXXXX being read */
    uint16_t high;        /* a high surrogate that wants its low one */
    const char *word;     /* what a WORD is to be */
    uint8_t word_len;     /* and how much of it has come */
    nx_bytes name;        /* of the member whose value comes; in the input, or in name_kept */
    bool named, borrowed; /* there is a name; it is in the input */
    struct nx__buffer token, name_kept;
    uint8_t objects[NX__JSON_DEPTH_MOST / 8]; /* for each level: is it an object? */
    yyjson_val scalar;

    /* The event. */
    nx_json_event_kind kind;
    nx_bytes event_name; /* `data` is NULL where there is none */
    uint32_t event_depth;

    /* The error: what is wrong, at the byte that feed stopped before; NX_EPROTO, NX_ETOOBIG or
     * NX_ENOMEM. */
    nx_err err;
    const char *reason;
};

enum nx__json_progress { NX__JSON_MORE, NX__JSON_EVENT, NX__JSON_ERROR };

/* Goes through the input to the next event; `*used` says how much of it is done with. `last`:
 * nothing comes behind it. MORE when all was used and more is wanted. The event's name and string
 * last until the next call. */
enum nx__json_progress nx__json_feed(struct nx__json_events *e, const char *data, size_t len,
                                     bool last, size_t *used);

/* Gives the memory back. */
void nx__json_events_free(struct nx__json_events *e);

#endif
