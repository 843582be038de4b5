/* What was found in a running program, for people: fibers that do the same are told together. */
#include "cli/dump.h"

#include "loop/crash.h"
#include "loop/uring.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAMED_MOST = 4, /* of names, requests and descriptors of a group */
};

static const char bold[] = "\033[1m", dim[] = "\033[2m", plain[] = "\033[0m";

const char *nx__dump_span(int64_t ns, char *out, size_t size)
{
    double s = (double)ns / 1e9;
    if (ns < 1000)
        (void)snprintf(out, size, "%d ns", (int)(ns < 0 ? 0 : ns));
    else if (ns < 1000000)
        (void)snprintf(out, size, "%d µs", (int)(ns / 1000));
    else if (s < 1)
        (void)snprintf(out, size, "%.3g ms", s * 1e3);
    else if (s < 60)
        (void)snprintf(out, size, "%.3g s", s);
    else if (s < 3600)
        (void)snprintf(out, size, "%d min %d s", (int)(s / 60), (int)s % 60);
    else if (s < 86400)
        (void)snprintf(out, size, "%d h %d min", (int)(s / 3600), (int)(s / 60) % 60);
    else
        (void)snprintf(out, size, "%d d %d h", (int)(s / 86400), (int)(s / 3600) % 24);
    return out;
}

/* ---- Text that grows; the first failure stays */

struct text {
    struct nx__buffer *out;
    bool color;
    nx_err err;
};

static void put(struct text *t, const char *format, ...) NX_PRINTF(2, 3);

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!t->err) t->err = nx__buffer_vprintf(t->out, NX__DUMP_MOST, format, args);
    va_end(args);
}

static void style(struct text *t, const char *code)
{
    if (t->color) put(t, "%s", code);
}

/* With the thousands apart. */
static const char *count(uint64_t n, char *out, size_t size)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < size; i++) {
        if (i && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* ---- What a fiber does */

void nx__dump_what(const struct nx__dump_fiber *f, char *out, size_t size)
{
    static const char *const files[] = {
        "opening a file",     "looking at descriptor", "reading descriptor",
        "writing descriptor", "syncing descriptor",    "renaming a file",
        "removing a file",    "making a directory",    "working on files"};
    if (f->state != NX__DUMP_WAITING) {
        (void)snprintf(out, size, "%s", f->state == NX__DUMP_RUNNING ? "running" : "ready to run");
        return;
    }
    if (f->joins[0]) {
        (void)snprintf(out, size, "joining \"%s\"", f->joins);
        return;
    }
    const char *call = strncmp(f->call, "in ", 3) == 0 ? f->call + 3 : f->call;
    switch (f->kind) {
    case NX__WAIT_TIMER: (void)snprintf(out, size, "sleeping"); break;
    case NX__WAIT_FD:
        (void)snprintf(out, size, "waiting to %s%s%s", f->readable ? "read" : "",
                       f->readable && f->writable ? " or " : "",
                       f->writable   ? "write"
                       : f->readable ? ""
                                     : "hear");
        break;
    case NX__WAIT_CHANNEL:
        if (f->channel)
            (void)snprintf(out, size, "in %s on channel %#llx (%llu of %llu)", call,
                           (unsigned long long)f->channel, (unsigned long long)f->queued,
                           (unsigned long long)f->capacity);
        else
            (void)snprintf(out, size, "in %s", call);
        break;
    case NX__WAIT_FILE:
        (void)snprintf(out, size, "%s",
                       f->file_kind >= 0 && f->file_kind <= NX__FILE_CALL ? files[f->file_kind]
                                                                          : "at a file");
        break;
    case NX__WAIT_BLOCKING: (void)snprintf(out, size, "in a blocking call"); break;
    case NX__WAIT_SIGNAL: (void)snprintf(out, size, "waiting for a signal"); break;
    case NX__WAIT_PROCESS: (void)snprintf(out, size, "waiting for a program"); break;
    default: (void)snprintf(out, size, "%s%s", f->call[0] ? "waiting " : "waiting", f->call); break;
    }
}

/* ---- Frames */

static const struct nx__place *place(const struct nx__dump *d, size_t frame)
{
    return &d->places[d->frames[frame]];
}

/* A function of the API. */
static bool is_call(const char *function)
{
    return strncmp(function, "nx_", 3) == 0 && function[3] != '_';
}

/* Where the call that suspends begins: before it lies how the runtime does it. */
static size_t call_find(const struct nx__dump *d, size_t first, size_t end)
{
    enum { INNER_MOST = 12 /* frames of the runtime between a call and the switch */ };
    for (size_t i = first; i < end && i < first + INNER_MOST; i++) {
        const struct nx__place *p = place(d, i);
        if (is_call(p->symbol.function) || is_call(p->symbol.outer) ||
            (p->module != 0 && !d->peek->alone))
            return i;
    }
    return first;
}

void nx__dump_told(const struct nx__dump *d, const struct nx__dump_fiber *f, size_t *first,
                   size_t *end)
{
    *first = f->first_frame;
    *end = f->first_frame + f->frame_count;
    if (f->state != NX__DUMP_RUNNING) *first = call_find(d, *first, *end);
    for (size_t i = *first; i < *end; i++)
        if (nx__crash_is_bottom(place(d, i)->symbol.function)) *end = i;
    /* Without symbols the runtime's own have no names. */
    while (*end > *first && !d->peek->alone && !place(d, *end - 1)->symbol.function[0] &&
           place(d, *end - 1)->module == 0)
        --*end;
}

static void frame_put(struct text *t, const struct nx__dump *d, const struct nx__place *p)
{
    const struct nx__symbol *s = &p->symbol;
    bool known = p->module < d->peek->module_count;
    const char *module = known ? d->peek->shown[p->module] : "no known code";
    const char *base = strrchr(module, '/');
    base = base ? base + 1 : module;
    const char *function = is_call(s->outer) ? s->outer : s->function[0] ? s->function : "?";
    put(t, "    ");
    /* The path of a system library's source leads nowhere here. */
    bool system = known && !nx__code_kind(module, p->module, false);
    if (s->file[0] && !system)
        put(t, "%-24s %s:%d\n", function, s->file, s->line);
    else if (s->function[0])
        put(t, "%-24s %s\n", s->function, base);
    else
        put(t, "%s+%#llx\n", base, (unsigned long long)p->address);
}

static void frames_put(struct text *t, const struct nx__dump *d, const struct nx__dump_fiber *f)
{
    size_t first, end;
    unsigned same = 0;
    nx__dump_told(d, f, &first, &end);
    if (first == end && f->state == NX__DUMP_READY) frame_put(t, d, place(d, f->begins));
    for (size_t i = first; i < end; i++) {
        bool repeats = i > first && d->frames[i] == d->frames[i - 1];
        if (repeats && ++same) continue;
        if (same) put(t, "    ... %u more of the same\n", same);
        same = 0;
        frame_put(t, d, place(d, i));
    }
    if (same) put(t, "    ... %u more of the same\n", same);
    if (f->deeper) put(t, "    ... and more, which are not shown\n");
}

/* ---- Groups */

struct group {
    const struct nx__dump_fiber *first;
    size_t *members;
    size_t count;
};

static const struct nx__dump *sorted_dump; /* for the two below: one thread, one dump at a time */

/* By what is told of them: one line may be compiled to several places. */
static int places_compare(const struct nx__place *a, const struct nx__place *b)
{
    if (a == b) return 0;
    if (a->module != b->module) return a->module < b->module ? -1 : 1;
    int by = strcmp(a->symbol.function, b->symbol.function);
    if (!by) by = strcmp(a->symbol.file, b->symbol.file);
    if (!by) by = a->symbol.line - b->symbol.line;
    bool told = a->symbol.function[0] || a->symbol.file[0];
    if (by || told) return by;
    return a->address < b->address ? -1 : a->address > b->address;
}

static int frames_compare(const struct nx__dump_fiber *a, const struct nx__dump_fiber *b)
{
    size_t first_a, end_a, first_b, end_b;
    nx__dump_told(sorted_dump, a, &first_a, &end_a);
    nx__dump_told(sorted_dump, b, &first_b, &end_b);
    if (end_a - first_a != end_b - first_b) return end_a - first_a < end_b - first_b ? -1 : 1;
    int by = 0;
    for (size_t i = 0; i < end_a - first_a && !by; i++)
        by = places_compare(place(sorted_dump, first_a + i), place(sorted_dump, first_b + i));
    return by;
}

static int alike(const struct nx__dump_fiber *a, const struct nx__dump_fiber *b)
{
    char what_a[128], what_b[128];
    int by = (int)a->state - (int)b->state;
    if (!by) by = frames_compare(a, b);
    if (!by) by = strcmp(a->parent, b->parent);
    if (!by) by = (int)a->canceled - (int)b->canceled;
    if (by) return by;
    nx__dump_what(a, what_a, sizeof what_a);
    nx__dump_what(b, what_b, sizeof what_b);
    by = strcmp(what_a, what_b);
    /* Not begun, the function is what tells them apart. */
    if (!by && a->state == NX__DUMP_READY)
        by = (int)sorted_dump->frames[a->begins] - (int)sorted_dump->frames[b->begins];
    return by;
}

static int by_likeness(const void *x, const void *y)
{
    size_t i = *(const size_t *)x, j = *(const size_t *)y;
    int by = alike(&sorted_dump->fibers[i], &sorted_dump->fibers[j]);
    return by ? by : i < j ? -1 : i > j;
}

/* Running ones first, then those that few are like: what is special is what one looks for. */
static int by_interest(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    if (a->first->state != b->first->state) return (int)a->first->state - (int)b->first->state;
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    return a->members[0] < b->members[0] ? -1 : 1;
}

/* Tells `text` of the group's members, each different one once: "a", "b" and 3 more. */
struct listing {
    const char *told[NAMED_MOST];
    size_t count, more;
};

static void listing_add(struct listing *l, const char *text)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->told[i], text) == 0) return;
    if (l->count < NAMED_MOST)
        l->told[l->count++] = text;
    else
        l->more++;
}

static void listing_put(struct text *t, const struct listing *l, const char *quote)
{
    char number[32];
    for (size_t i = 0; i < l->count; i++)
        put(t, "%s%s%s%s", i ? ", " : "", quote, l->told[i], quote);
    if (l->more) put(t, " and %s more", count(l->more, number, sizeof number));
}

static void range_put(struct text *t, const char *before, int64_t least, int64_t most,
                      const char *after)
{
    char a[32], b[32];
    if (most < 0) return;
    nx__dump_span(least, a, sizeof a);
    nx__dump_span(most, b, sizeof b);
    put(t, ", %s%s", before, a);
    if (strcmp(a, b) != 0) put(t, " to %s", b);
    put(t, "%s", after);
}

static void widen(int64_t value, int64_t *least, int64_t *most)
{
    if (value < 0) return;
    if (*most < 0 || value < *least) *least = value;
    if (value > *most) *most = value;
}

static void group_put(struct text *t, const struct nx__dump *d, const struct group *g)
{
    const struct nx__dump_fiber *f = g->first;
    struct listing names = {.count = 0}, requests = {.count = 0};
    int64_t since[2] = {-1, -1}, left[2] = {-1, -1};
    char what[128], number[32];
    for (size_t i = 0; i < g->count; i++) {
        const struct nx__dump_fiber *m = &d->fibers[g->members[i]];
        listing_add(&names, m->name);
        if (m->request[0]) listing_add(&requests, m->request);
        widen(m->since, &since[0], &since[1]);
        widen(m->left, &left[0], &left[1]);
    }
    style(t, bold);
    if (g->count > 1) put(t, "×%s fibers ", count(g->count, number, sizeof number));
    if (g->count == 1) put(t, "fiber ");
    listing_put(t, &names, "\"");
    style(t, plain);
    nx__dump_what(f, what, sizeof what);
    put(t, ": %s", what);
    bool on_fd = f->state == NX__DUMP_WAITING && f->fd >= 0;
    for (size_t i = 0; on_fd && i < g->count && i < NAMED_MOST; i++) {
        const char *before = f->kind == NX__WAIT_FD ? " on descriptor" : "";
        if (i == 0) put(t, "%s%s", before, f->kind == NX__WAIT_FD && g->count > 1 ? "s" : "");
        put(t, "%s %d", i ? "," : "", d->fibers[g->members[i]].fd);
    }
    if (on_fd && g->count > NAMED_MOST)
        put(t, " and %s more", count(g->count - NAMED_MOST, number, sizeof number));
    if (f->state == NX__DUMP_RUNNING && f->system_call >= 0) {
        const char *name = nx__system_call_name(f->system_call);
        if (name)
            put(t, " in the system call %s", name);
        else
            put(t, " in system call %ld", f->system_call);
    }
    range_put(t, "for ", since[0], since[1], "");
    range_put(t, "", left[0], left[1], " left");
    if (f->canceled) put(t, ", cancelled");
    if (requests.count) put(t, ", serving ");
    listing_put(t, &requests, "");
    if (f->parent[0]) put(t, ", in a scope of \"%s\"", f->parent);
    put(t, "\n");
    frames_put(t, d, f);
    put(t, "\n");
}

static void fibers_put(struct text *t, const struct nx__dump *d, const struct nx__dump_loop *l)
{
    size_t n = l->fiber_count, groups_count = 0;
    size_t *order = malloc((n ? n : 1) * sizeof *order);
    struct group *groups = malloc((n ? n : 1) * sizeof *groups);
    if (!order || !groups) {
        t->err = NX_ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < n; i++) order[i] = l->first_fiber + i;
    sorted_dump = d;
    qsort(order, n, sizeof *order, by_likeness);
    for (size_t i = 0; i < n; i++) {
        const struct nx__dump_fiber *f = &d->fibers[order[i]];
        if (groups_count && alike(groups[groups_count - 1].first, f) == 0)
            groups[groups_count - 1].count++;
        else
            groups[groups_count++] = (struct group){f, &order[i], 1};
    }
    qsort(groups, groups_count, sizeof *groups, by_interest);
    for (size_t i = 0; i < groups_count && !t->err; i++) group_put(t, d, &groups[i]);
out:
    free(order);
    free(groups);
}

/* ---- Heads */

static uint64_t percentile(const nx_stats *stats, uint64_t per_mille)
{
    uint64_t turns = 0, below = 0;
    for (int i = 0; i < NX_LATENCY_BUCKETS; i++) turns += stats->latency[i];
    for (int i = 0; i < NX_LATENCY_BUCKETS && turns; i++) {
        below += stats->latency[i];
        if (below * 1000 >= turns * per_mille) return UINT64_C(2) << i;
    }
    return 0;
}

static void plural_put(struct text *t, uint64_t n, const char *what)
{
    char number[32];
    put(t, "%s %s%s", count(n, number, sizeof number), what, n == 1 ? "" : "s");
}

static void loop_put(struct text *t, const struct nx__dump *d, const struct nx__dump_loop *l)
{
    const struct nx_loop *loop = &l->loop;
    char a[32], b[32], c[32];
    if (d->loop_count > 1) put(t, "loop of thread %d\n", loop->thread_id);
    put(t, "  ");
    plural_put(t, loop->stats.fibers, "fiber");
    put(t, " (%s at most, %s in all), ", count(loop->stats.fibers_peak, a, sizeof a),
        count(loop->stats.fibers_started, b, sizeof b));
    plural_put(t, loop->operations, "operation");
    put(t, " in flight, ");
    plural_put(t, loop->timers.count, "timer");
    put(t, ", ");
    plural_put(t, loop->poller.watches - loop->own_watches, "descriptor");
    put(t, " watched\n  ");
    plural_put(t, loop->stats.iterations, "turn");
    if (loop->stats.iterations)
        put(t, ": half below %s, 99 %% below %s, the longest %s",
            nx__dump_span((int64_t)percentile(&loop->stats, 500), a, sizeof a),
            nx__dump_span((int64_t)percentile(&loop->stats, 990), b, sizeof b),
            nx__dump_span((int64_t)loop->stats.latency_max, c, sizeof c));
    if (loop->stats.blocked) put(t, "; blocked %s times", count(loop->stats.blocked, a, sizeof a));
    put(t, "; now %s%s\n", l->polling ? "waiting for events" : "in a turn of ",
        l->polling ? "" : nx__dump_span(l->turn < 0 ? 0 : l->turn, a, sizeof a));
    if (l->stuck)
        put(t,
            "  its thread did not stop, as it happens in the kernel's waits for a disk: where it runs is not known\n");
    if (l->cut) put(t, "  the list of fibers could not be followed to its end\n");
    put(t, "\n");
}

nx_err nx__dump_text(const struct nx__dump *d, bool color, struct nx__buffer *out)
{
    const struct nx__peek *p = d->peek;
    struct text t = {.out = out, .color = color};
    char a[32], b[32];
    style(&t, bold);
    put(&t, "%s", p->name);
    style(&t, plain);
    put(&t, ", process %d, up %s%s\n  ", (int)p->pid, nx__dump_span(p->up, a, sizeof a),
        p->state == 'T' ? ", stopped by a signal" : "");
    put(&t, "%.1f MiB of memory, %.2f s of CPU, ", (double)p->memory / 1048576,
        (double)p->cpu_ms / 1000);
    plural_put(&t, p->threads, "thread");
    put(&t, ", ");
    plural_put(&t, p->descriptors, "descriptor");
    put(&t, " of %s", count(p->descriptors_most, a, sizeof a));
    style(&t, dim);
    put(&t, " (stopped for %s to look)\n", nx__dump_span(d->stopped, b, sizeof b));
    style(&t, plain);
    for (size_t i = 0; i < d->loop_count; i++) {
        loop_put(&t, d, &d->loops[i]);
        fibers_put(&t, d, &d->loops[i]);
    }
    return t.err;
}
