/* The pull reader: pieces from a source, events to the program. */
#include "json/events.h"
#include "json/tree.h"

#include "base/compiler.h"
#include "base/error.h"
#include <nexus/fiber.h>

#define DEFAULT_TOKEN ((size_t)1 << 20)
#define DEFAULT_TREE  ((size_t)1 << 20)

struct nx_json_reader {
    struct nx__json_doc doc; /* its values point here */
    nx_json_source source;
    void *from;
    nx_bytes piece;    /* what is left of it */
    const char *begun; /* where the piece began */
    bool last;         /* it was the last */
    bool failed;
    bool began; /* the last event began an array or object */
    size_t max_tree;
    struct nx__json_place place; /* where the piece begins in the text */
    struct nx__buffer text;      /* of the tree being read */
    bool keeping;                /* into `text` */
    struct nx__json_events events;
};

/* ---- Places */

void nx__json_pass(struct nx__json_place *place, const char *data, size_t len)
{
    if (!len) return;
    const char *end = data + len;
    for (const char *line; (line = memchr(data, '\n', (size_t)(end - data)));) {
        place->line++;
        place->column = 1;
        data = line + 1;
        if (data == end) return;
    }
    /* Characters, not bytes. */
    for (; data < end; data++) place->column += ((unsigned char)*data & 0xc0) != 0x80;
}

nx_err nx__json_error(const struct nx__json_doc *doc, nx_err err, struct nx__json_place place,
                      const char *reason, char found)
{
    char text[16] = "";
    if (found > 0x20 && found < 0x7f && strncmp(reason, "expected", 8) == 0)
        memcpy(text, (const char[]){',', ' ', 'f', 'o', 'u', 'n', 'd', ' ', '"', found, '"', '\0'},
               12);
    if (err == NX_EPROTO && !doc->of_peer) err = NX_EINVAL;
    nx_err (*record)(nx_err, const char *, ...) =
        doc->of_peer && err != NX_ENOMEM ? nx__error_peer : nx__error_set;
    return record(err, "cannot read %s: line %zu, column %zu: %s%s", doc->what, place.line,
                  place.column, reason, text);
}

/* ---- Making */

static void reader_free(void *arg)
{
    nx_json_reader *reader = arg;
    nx__json_events_free(&reader->events);
    nx__buffer_free(&reader->text);
}

nx_err nx__json_reader_new(nx_json_reader **out, nx_json_source source, void *from,
                           const nx_json_reader_options *options, const char *what, bool of_peer)
{
    *out = NULL;
    nx_json_reader_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.max_depth > NX__JSON_DEPTH_MOST)
        return nx__error_set(NX_EINVAL, "cannot read %s: max_depth is %u, more than %d", what,
                             o.max_depth, NX__JSON_DEPTH_MOST);
    nx_json_reader *reader = nx_alloc_zero(1, sizeof *reader);
    if (!reader) return NX_ENOMEM;
    *reader = (nx_json_reader){.doc = {.what = what, .of_peer = of_peer},
                               .source = source,
                               .from = from,
                               .piece = {"", 0},
                               .place = {1, 1},
                               .max_tree = o.max_tree ? o.max_tree : DEFAULT_TREE};
    reader->begun = reader->piece.data;
    reader->events.max_depth = o.max_depth ? o.max_depth : NX_JSON_MAX_DEPTH;
    reader->events.max_token = o.max_token ? o.max_token : DEFAULT_TOKEN;
    reader->events.many = o.many;
    NX_TRY(nx_defer(reader_free, reader));
    *out = reader;
    return NX_OK;
}

nx_err nx_json_reader_new_with(nx_json_reader **out, nx_json_source source, void *from,
                               const nx_json_reader_options *options)
{
    return nx__json_reader_new(out, source, from, options, "the JSON text", false);
}

/* ---- Reading */

static nx_err next_piece(nx_json_reader *reader)
{
    nx__json_pass(&reader->place, reader->begun, (size_t)(reader->piece.data - reader->begun));
    nx_err err = reader->source(reader->from, &reader->piece);
    if (err) return err;
    if (!reader->piece.len) reader->piece = nx_slice("", 0);
    reader->begun = reader->piece.data;
    reader->last = !reader->piece.len;
    return NX_OK;
}

/* The error of the events, at the byte where they stopped. */
static nx_err wrong(nx_json_reader *reader)
{
    struct nx__json_place place = reader->place;
    nx__json_pass(&place, reader->begun, (size_t)(reader->piece.data - reader->begun));
    return nx__json_error(&reader->doc, reader->events.err, place, reader->events.reason,
                          reader->piece.len ? reader->piece.data[0] : '\0');
}

/* Adds to the text of the tree being read. */
static nx_err keep(nx_json_reader *reader, nx_bytes text)
{
    if (text.len > reader->max_tree - reader->text.len) {
        reader->events.err = NX_ETOOBIG;
        reader->events.reason = "one value is larger than max_tree";
        return wrong(reader);
    }
    nx_err err = nx__buffer_append(&reader->text, text.data, text.len, SIZE_MAX);
    return err ? nx__error_set(err, "cannot read %s: out of memory", reader->doc.what) : NX_OK;
}

/* Reads on to the next event; what it passes is kept if that is asked for. */
static nx_err advance(nx_json_reader *reader)
{
    if (reader->failed)
        return nx__error_set(NX_ESTATE, "cannot read on: reading %s has failed", reader->doc.what);
    reader->failed = true; /* until it has gone well */
    reader->began = false;
    for (;;) {
        size_t used;
        const char *from = reader->piece.data;
        enum nx__json_progress progress =
            nx__json_feed(&reader->events, from, reader->piece.len, reader->last, &used);
        reader->piece = nx_slice(from + used, reader->piece.len - used);
        if (progress == NX__JSON_ERROR) return wrong(reader);
        if (reader->keeping) NX_TRY(keep(reader, nx_slice(from, used)));
        if (progress == NX__JSON_EVENT) break;
        NX_TRY(next_piece(reader));
    }
    reader->failed = false;
    reader->began =
        reader->events.kind == NX_JSON_OBJECT_BEGIN || reader->events.kind == NX_JSON_ARRAY_BEGIN;
    return NX_OK;
}

nx_err nx_json_reader_next(nx_json_reader *reader, nx_json_event *event)
{
    *event = (nx_json_event){0};
    NX_TRY(advance(reader));
    const struct nx__json_events *e = &reader->events;
    *event = (nx_json_event){.kind = e->kind, .depth = e->event_depth, .name = e->event_name};
    if (e->kind == NX_JSON_VALUE) event->value = (nx_json){&reader->doc, &e->scalar};
    return NX_OK;
}

/* Reads to the end of the array or object that was begun. */
static nx_err to_end(nx_json_reader *reader)
{
    uint32_t depth = reader->events.event_depth;
    do NX_TRY(advance(reader));
    while (reader->events.event_depth > depth);
    return NX_OK;
}

nx_err nx_json_reader_skip(nx_json_reader *reader)
{
    return reader->began ? to_end(reader) : NX_OK;
}

nx_err nx_json_reader_tree(nx_json_reader *reader, nx_json *out)
{
    *out = (nx_json){0};
    const struct nx__json_events *e = &reader->events;
    if (!reader->began) {
        if (reader->failed || e->kind != NX_JSON_VALUE)
            return nx__error_set(NX_ESTATE, "cannot read a tree here: no value has begun");
        *out = (nx_json){&reader->doc, &e->scalar};
        return NX_OK;
    }
    reader->text.len = 0;
    nx_err err =
        nx__buffer_append(&reader->text, e->kind == NX_JSON_OBJECT_BEGIN ? "{" : "[", 1, SIZE_MAX);
    if (err) return nx__error_set(err, "cannot read %s: out of memory", reader->doc.what);
    reader->keeping = true;
    err = to_end(reader);
    reader->keeping = false;
    if (err) return err;
    const nx_json_options options = {.size = sizeof options, .max_depth = NX__JSON_DEPTH_MOST};
    return nx__json_parse(nx_slice(reader->text.data, reader->text.len), out, &options,
                          reader->doc.what, reader->doc.of_peer);
}
