/* Progress: a bar on a terminal, a line at the start and one at the end elsewhere. */
#include "base/clock.h"
#include "console/line.h"
#include "console/outlet.h"
#include "console/style.h"
#include "console/width.h"
#include <nexus/console.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LABEL_MOST = 160,
    BAR_LEAST = 10,
    BAR_MOST = 50,
    AMOUNT_MOST = 32,
};

static const nx_duration REDRAW = NX_MS(100);

struct nx_progress {
    uint64_t total, done;
    nx_unit unit;
    nx_duration begun, drawn;
    bool bar, ended;
    size_t label_len;
    char label[LABEL_MOST];
};

static atomic_bool bar_taken; /* there is one below the other lines already */

/* ---- Texts */

static void amount_write(char out[AMOUNT_MOST], nx_unit unit, double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;
    if (unit == NX_UNIT_BYTES)
        for (; n >= 1000 && i + 1 < sizeof units / sizeof *units; i++) n /= 1024;
    const char *name = unit == NX_UNIT_BYTES ? units[i] : "";
    (void)snprintf(out, AMOUNT_MOST, "%.*f%s%s", i ? 1 : 0, n, *name ? " " : "", name);
}

static void span_write(char out[AMOUNT_MOST], nx_duration span)
{
    long long s = span / NX_S(1);
    if (span < NX_S(10))
        (void)snprintf(out, AMOUNT_MOST, "%.1f s", (double)span / 1e9);
    else if (s < 3600)
        (void)snprintf(out, AMOUNT_MOST, "%lld:%02lld", s / 60, s % 60);
    else
        (void)snprintf(out, AMOUNT_MOST, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* "12.3 MiB of 29.0 MiB" */
static void done_write(char out[2 * AMOUNT_MOST], const nx_progress *p)
{
    char done[AMOUNT_MOST], total[AMOUNT_MOST];
    amount_write(done, p->unit, (double)p->done);
    amount_write(total, p->unit, (double)p->total);
    (void)snprintf(out, 2 * AMOUNT_MOST, p->total ? "%s of %s" : "%s", done, total);
}

/* A whole line, above a bar that may be there. */
static void say(const nx_progress *p, const char *text)
{
    char line[LABEL_MOST + 4 * AMOUNT_MOST];
    int n = snprintf(line, sizeof line, "%.*s: %s\n", (int)p->label_len, p->label, text);
    struct nx__outlet *o = nx__outlet_standard(STDERR_FILENO);
    if (o && n > 0) (void)nx__outlet_put(o, line, (size_t)n, NX__FULL_DROP);
}

/* ---- The bar */

/* What stands right of the bar. */
static size_t figures_write(char *out, size_t cap, const nx_progress *p, nx_duration now)
{
    char done[2 * AMOUNT_MOST], rate[AMOUNT_MOST], left[AMOUNT_MOST] = "";
    double seconds = (double)(now - p->begun) / 1e9;
    double speed = seconds > 0 ? (double)p->done / seconds : 0;
    done_write(done, p);
    amount_write(rate, p->unit, speed);
    if (p->total > p->done && p->done) {
        double rest = (double)(p->total - p->done) / speed;
        if (rest < 360000) span_write(left, (nx_duration)(rest * 1e9));
    }
    int n = snprintf(out, cap, "  %s  %s/s%s%s%s", done, rate, *left ? "  " : "", left,
                     *left ? " left" : "");
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

static size_t bar_write(char *out, size_t room, const nx_progress *p)
{
    /* " [" and "] 100%" */
    enum { AROUND = 8 };
    if (!p->total || room < BAR_LEAST + AROUND) return 0;
    size_t width = room - AROUND < BAR_MOST ? room - AROUND : BAR_MOST;
    double part = p->done < p->total ? (double)p->done / (double)p->total : 1;
    size_t full = (size_t)(part * (double)width);
    char *at = out;
    *at++ = ' ';
    *at++ = '[';
    for (size_t i = 0; i < width; i++) *at++ = i < full ? '=' : i == full ? '>' : ' ';
    int n = snprintf(at, AROUND, "] %3u%%", (unsigned)(part * 100));
    return (size_t)(at - out) + (n < 0 ? 0 : (size_t)n);
}

static void draw(nx_progress *p, nx_duration now)
{
    char line[NX__OUTLET_STATUS], figures[NX__OUTLET_STATUS / 2];
    struct nx__outlet *o = nx__outlet_standard(STDERR_FILENO);
    size_t columns = nx_terminal_width(NX_STDERR) - 1, used;
    if (!o || !columns) return;
    p->drawn = now;
    size_t len = nx__width_fit(nx_slice(p->label, p->label_len), columns / 2 + 1, &used);
    memcpy(line, p->label, len);
    size_t figures_len = figures_write(figures, sizeof figures, p, now);
    if (used + figures_len > columns) figures_len = 0;
    size_t bar = bar_write(line + len, columns - used - figures_len, p);
    len += bar;
    memcpy(line + len, figures, figures_len);
    nx__outlet_status(o, line, len + figures_len);
}

/* ---- Public */

nx_progress *nx_progress_new_with(const char *label, const nx_progress_options *given)
{
    nx_progress_options options = {0};
    memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    nx_progress *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->total = options.total;
    p->unit = options.unit;
    p->begun = nx__clock_monotonic();
    p->label_len = nx__text_safe(p->label, sizeof p->label, nx_str(label));
    struct nx__outlet *o = nx__outlet_standard(STDERR_FILENO);
    p->bar = o && o->terminal && !nx__terminal_dumb() && !atomic_exchange(&bar_taken, true);
    if (p->bar) {
        draw(p, p->begun);
        return p;
    }
    char total[AMOUNT_MOST] = "started", text[AMOUNT_MOST + 8];
    if (p->total) amount_write(total, p->unit, (double)p->total);
    (void)snprintf(text, sizeof text, p->total ? "0 of %s" : "%s", total);
    say(p, text);
    return p;
}

void nx_progress_set(nx_progress *p, uint64_t done)
{
    if (!p || p->ended) return;
    p->done = done;
    if (!p->bar) return;
    nx_duration now = nx__clock_monotonic();
    if (now - p->drawn >= REDRAW) draw(p, now);
}

void nx_progress_add(nx_progress *p, uint64_t amount)
{
    if (p) nx_progress_set(p, amount > UINT64_MAX - p->done ? UINT64_MAX : p->done + amount);
}

static void end(nx_progress *p, const char *how)
{
    if (p->ended) return;
    p->ended = true;
    struct nx__outlet *o = nx__outlet_standard(STDERR_FILENO);
    if (p->bar && o) nx__outlet_status(o, "", 0);
    if (p->bar) atomic_store(&bar_taken, false);
    char done[2 * AMOUNT_MOST], span[AMOUNT_MOST], text[4 * AMOUNT_MOST];
    done_write(done, p);
    span_write(span, nx__clock_monotonic() - p->begun);
    (void)snprintf(text, sizeof text, "%s%s in %s", how, done, span);
    say(p, text);
}

void nx_progress_end(nx_progress *p)
{
    if (p) end(p, "");
}

void nx_progress_free(nx_progress *p)
{
    if (!p) return;
    end(p, "stopped at ");
    free(p);
}
