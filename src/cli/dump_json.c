/* What was found in a running program, for tools: every fiber by itself. */
#include "cli/dump.h"

#include "base/json.h"
#include <nexus/json.h>
#include <stdio.h>

struct json {
    struct nx__buffer *out;
    nx_err err;
};

static void put(struct json *j, const char *text)
{
    if (!j->err) j->err = nx__buffer_append(j->out, text, strlen(text), NX__DUMP_MOST);
}

static void value_put(struct json *j, nx_value value)
{
    char text[4096];
    nx_err err = NX_OK;
    size_t len = nx__json_write(value, text, sizeof text, &err);
    if (!j->err) j->err = err ? err : len > sizeof text ? NX_ETOOBIG : NX_OK;
    if (!j->err) j->err = nx__buffer_append(j->out, text, len, NX__DUMP_MOST);
}

/* Adds `"name":value` to the object; nothing stands in it before the first. */
static void member(struct json *j, const char *name, nx_value value)
{
    if (j->out->len && j->out->data[j->out->len - 1] != '{') put(j, ",");
    value_put(j, nx_value_string(name));
    put(j, ":");
    value_put(j, value);
}

static void open_member(struct json *j, const char *name, const char *bracket)
{
    if (j->out->len && j->out->data[j->out->len - 1] != '{') put(j, ",");
    value_put(j, nx_value_string(name));
    put(j, ":");
    put(j, bracket);
}

static nx_value text_or_null(const char *text)
{
    return text[0] ? nx_value_string(text) : nx_null();
}

static nx_value number_or_null(int64_t n)
{
    return n >= 0 ? nx_value_int(n) : nx_null();
}

/* Numbers of 64 bits are none in JSON's readers. */
static const char *address_text(uint64_t address, char *out, size_t size)
{
    (void)snprintf(out, size, "%#llx", (unsigned long long)address);
    return out;
}

static void frame_put(struct json *j, const struct nx__dump *d, const struct nx__place *p)
{
    char address[32];
    bool known = p->module < d->peek->module_count;
    put(j, "{");
    member(j, "function", text_or_null(p->symbol.function));
    member(j, "file", text_or_null(p->symbol.file));
    member(j, "line", p->symbol.file[0] ? nx_value_int(p->symbol.line) : nx_null());
    member(j, "module", known ? nx_value_string(d->peek->shown[p->module]) : nx_null());
    member(j, "address", nx_value_string(address_text(p->address, address, sizeof address)));
    put(j, "}");
}

static void fiber_put(struct json *j, const struct nx__dump *d, const struct nx__dump_fiber *f)
{
    static const char *const states[] = {"running", "ready", "waiting"};
    char text[128];
    size_t first, end;
    put(j, "{");
    member(j, "id", nx_value_string(address_text(f->address, text, sizeof text)));
    member(j, "name", nx_value_string(f->name));
    member(j, "state", nx_value_string(states[f->state]));
    nx__dump_what(f, text, sizeof text);
    member(j, "what", nx_value_string(text));
    member(j, "since_ns", number_or_null(f->since));
    member(j, "left_ns", number_or_null(f->left));
    member(j, "descriptor", number_or_null(f->fd));
    member(j, "channel",
           f->channel ? nx_value_string(address_text(f->channel, text, sizeof text)) : nx_null());
    member(j, "joins", text_or_null(f->joins));
    const char *call = f->system_call >= 0 ? nx__system_call_name(f->system_call) : NULL;
    member(j, "system_call", nx_value_string(call));
    member(j, "request", text_or_null(f->request));
    member(j, "scope_of", text_or_null(f->parent));
    member(j, "detached", nx_bool(f->detached));
    member(j, "cancelled", nx_bool(f->canceled));
    open_member(j, "frames", "[");
    nx__dump_told(d, f, &first, &end);
    for (size_t i = first; i < end && !j->err; i++) {
        if (i > first) put(j, ",");
        frame_put(j, d, &d->places[d->frames[i]]);
    }
    if (first == end && f->state == NX__DUMP_READY)
        frame_put(j, d, &d->places[d->frames[f->begins]]);
    put(j, "],");
    put(j, f->deeper ? "\"deeper\":true}" : "\"deeper\":false}");
}

static void loop_put(struct json *j, const struct nx__dump *d, const struct nx__dump_loop *l)
{
    const struct nx_loop *loop = &l->loop;
    const nx_stats *stats = &loop->stats;
    put(j, "{");
    member(j, "thread", nx_value_int(loop->thread_id));
    member(j, "state", nx_value_string(l->polling ? "waiting" : "turning"));
    member(j, "turn_ns", number_or_null(l->turn));
    member(j, "turns", nx_value_uint(stats->iterations));
    member(j, "longest_turn_ns", nx_value_uint(stats->latency_max));
    open_member(j, "turns_below_ns", "[");
    for (int i = 0; i < NX_LATENCY_BUCKETS; i++) {
        if (i) put(j, ",");
        nx_value pair[2] = {nx_value_uint(UINT64_C(2) << i), nx_value_uint(stats->latency[i])};
        nx_value list = {.kind = NX_VALUE_ARRAY, .as.list = {pair, 2}};
        value_put(j, list);
    }
    put(j, "]");
    member(j, "blocked", nx_value_uint(stats->blocked));
    member(j, "fibers_alive", nx_value_uint(stats->fibers));
    member(j, "fibers_peak", nx_value_uint(stats->fibers_peak));
    member(j, "fibers_started", nx_value_uint(stats->fibers_started));
    member(j, "operations", nx_value_uint(loop->operations));
    member(j, "timers", nx_value_uint(loop->timers.count));
    member(j, "watched", nx_value_uint(loop->poller.watches - loop->own_watches));
    member(j, "thread_stopped", nx_bool(!l->stuck));
    member(j, "complete", nx_bool(!l->cut));
    open_member(j, "fibers", "[");
    for (size_t i = 0; i < l->fiber_count && !j->err; i++) {
        if (i) put(j, ",");
        fiber_put(j, d, &d->fibers[l->first_fiber + i]);
    }
    put(j, "]}");
}

nx_err nx__dump_json(const struct nx__dump *d, struct nx__buffer *out)
{
    const struct nx__peek *p = d->peek;
    struct json j = {.out = out};
    put(&j, "{");
    member(&j, "pid", nx_value_int(p->pid));
    member(&j, "name", nx_value_string(p->name));
    member(&j, "launcher", p->alone ? nx_null() : nx_value_int(p->parent));
    member(&j, "version", nx_value_string(p->loops.version));
    member(&j, "stopped", nx_bool(p->state == 'T'));
    member(&j, "up_ns", nx_value_int(p->up));
    member(&j, "cpu_ms", nx_value_uint(p->cpu_ms));
    member(&j, "memory_bytes", nx_value_uint(p->memory));
    member(&j, "threads", nx_value_uint(p->threads));
    member(&j, "descriptors", nx_value_uint(p->descriptors));
    member(&j, "descriptors_most", nx_value_uint(p->descriptors_most));
    member(&j, "looked_ns", nx_value_int(d->stopped));
    open_member(&j, "loops", "[");
    for (size_t i = 0; i < d->loop_count && !j.err; i++) {
        if (i) put(&j, ",");
        loop_put(&j, d, &d->loops[i]);
    }
    put(&j, "]}");
    return j.err;
}
