/* Logs: levels, settings, and lines on their way to an outlet. */
#include "console/log.h"

#include "base/clock.h"
#include "console/style.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
    LINE_FIRST = 2048, /* on the stack; longer lines are made in memory of the heap */
    MESSAGE_FIRST = 1024,
};

static const nx_duration FATAL_STALL = NX_S(5);

int nx_log_least; /* 0: not set yet, so that the first line comes by here and sets it */

static struct {
    pthread_mutex_t lock;
    bool ready;
    bool json;    /* said by NEXUS_LOG */
    bool text;    /* the same */
    bool leveled; /* by --log-level or NEXUS_LOG: the program's wish does not count */
    nx_log_level preset;
    struct nx__outlet *_Atomic sink;
    atomic_int style; /* enum nx_log_style */
    atomic_int full;  /* enum nx__full */
} settings = {.lock = PTHREAD_MUTEX_INITIALIZER, .style = NX_LOG_TEXT, .full = NX__FULL_DROP};

/* ---- Settings */

int nx_log_level_named(const char *name)
{
    for (int level = NX_LOG_TRACE; name && level <= NX_LOG_OFF; level++)
        if (strcasecmp(name, nx__level_name((nx_log_level)level)) == 0) return level;
    return 0;
}

void nx__log_preset(nx_log_level level)
{
    settings.preset = level;
}

/* Takes one word of NEXUS_LOG; false if it is none. */
static bool word_apply(const char *word)
{
    int level = nx_log_level_named(word);
    if (level) {
        if (!settings.preset) nx__store_relaxed(&nx_log_least, level);
        settings.leveled = true;
    } else if (strcasecmp(word, "json") == 0) {
        settings.json = true;
        atomic_store(&settings.style, NX_LOG_JSON);
    } else if (strcasecmp(word, "text") == 0) {
        settings.text = true;
    } else {
        return false;
    }
    return true;
}

/* NEXUS_LOG=debug, NEXUS_LOG=json, NEXUS_LOG=debug,json. Whoever starts the program says it to the
 * runtime, not to the program: no permission is needed. False if a word is none; it is copied. */
static bool environment_apply(char unknown[32])
{
    const char *text = getenv("NEXUS_LOG");
    bool good = true;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        char word[32];
        size_t copied = len < sizeof word - 1 ? len : sizeof word - 1;
        memcpy(word, text, copied);
        word[copied] = '\0';
        if (len && !word_apply(word)) {
            good = false;
            memcpy(unknown, word, sizeof word);
        }
        text += len + (text[len] == ',');
    }
    return good;
}

static NX__COLD void prepare(void)
{
    char unknown[32];
    bool good = true;
    (void)pthread_mutex_lock(&settings.lock);
    if (!settings.ready) {
        settings.leveled = settings.preset != 0;
        nx__store_relaxed(&nx_log_least, settings.preset ? (int)settings.preset : NX_LOG_INFO);
        good = environment_apply(unknown);
        settings.ready = true;
    }
    (void)pthread_mutex_unlock(&settings.lock);
    if (!good)
        nx_log_warn("NEXUS_LOG has a word that is no level and no style", "word", unknown, "levels",
                    "trace debug info warn error fatal off", "styles", "text json");
}

void nx_log_set_level(nx_log_level level)
{
    if (!NX_LOAD_RELAXED(&nx_log_least)) prepare();
    if (level >= NX_LOG_TRACE && level <= NX_LOG_OFF) nx__store_relaxed(&nx_log_least, (int)level);
}

static nx_err check(const nx_log_options *o)
{
    if ((int)o->level < 0 || o->level > NX_LOG_OFF || (int)o->style < 0 || o->style > NX_LOG_JSON ||
        (int)o->when_full < 0 || o->when_full > NX_LOG_BLOCK)
        return nx__error_set(NX_EINVAL, "cannot set up the log: no such level, style or when_full");
    if (o->max_size && !o->file)
        return nx__error_set(NX_EINVAL, "cannot set up the log: max_size needs a file");
    if (o->max_size && o->max_size < NX_LOG_FILE_LEAST)
        return nx__error_set(NX_EINVAL, "cannot set up the log: max_size is less than %llu bytes",
                             (unsigned long long)NX_LOG_FILE_LEAST);
    if (o->keep > NX_LOG_KEEP_MOST)
        return nx__error_set(NX_EINVAL, "cannot set up the log: keep is more than %d",
                             NX_LOG_KEEP_MOST);
    return NX_OK;
}

nx_err nx_log_setup_with(const nx_log_options *given)
{
    nx_log_options o = {0};
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    NX_TRY(check(&o));
    if (!NX_LOAD_RELAXED(&nx_log_least)) prepare();
    struct nx__outlet *before = atomic_load(&settings.sink), *sink = NULL;
    if (before) (void)nx__outlet_drain(before, FATAL_STALL);
    if (o.file)
        NX_TRY(nx__log_file_open(&o, &sink));
    else
        sink = nx__outlet_standard(STDERR_FILENO);
    if (!sink) return nx__error_set(NX_ENOMEM, "cannot set up the log: out of memory");
    (void)pthread_mutex_lock(&settings.lock);
    if (!settings.leveled) nx__store_relaxed(&nx_log_least, o.level ? (int)o.level : NX_LOG_INFO);
    atomic_store(&settings.style, !settings.text && (settings.json || o.style == NX_LOG_JSON)
                                      ? NX_LOG_JSON
                                      : NX_LOG_TEXT);
    bool block = o.when_full == NX_LOG_BLOCK;
    atomic_store(&settings.full, block ? NX__FULL_BLOCK : NX__FULL_DROP);
    if (block) atomic_store(&sink->patient, true);
    atomic_store(&settings.sink, sink);
    (void)pthread_mutex_unlock(&settings.lock);
    return NX_OK;
}

void nx_log_reopen(void)
{
    nx__log_file_reopen();
}

/* ---- Lines */

enum nx__line_style nx__log_style(const struct nx__outlet *o)
{
    if (atomic_load_explicit(&settings.style, memory_order_relaxed) == NX_LOG_JSON)
        return NX__LINE_JSON;
    return o->terminal && nx__style_wanted() ? NX__LINE_COLOR : NX__LINE_TEXT;
}

static struct nx__outlet *sink(void)
{
    struct nx__outlet *o = atomic_load_explicit(&settings.sink, memory_order_acquire);
    if (nx__likely(o != NULL)) return o;
    o = nx__outlet_standard(STDERR_FILENO);
    struct nx__outlet *none = NULL;
    (void)atomic_compare_exchange_strong(&settings.sink, &none, o);
    return none ? none : o;
}

static void emit(nx_log_level level, nx_bytes message, const nx_value *items, size_t count)
{
    int saved = errno;
    struct nx__outlet *o = sink();
    if (!o) return;
    const nx_fiber *fiber = nx__fiber_running();
    struct nx__line line = {.level = level,
                            .time = nx__clock_wall(),
                            .fiber = fiber ? fiber->name : NULL,
                            .activity = fiber ? fiber->activity : (nx_bytes){0},
                            .message = message,
                            .items = items,
                            .count = count};
    char text[LINE_FIRST], *at = text, *more = NULL;
    enum nx__line_style style = nx__log_style(o);
    bool whole;
    size_t len = nx__line_write(style, &line, text, sizeof text, &whole);
    if (nx__unlikely(!whole) && (more = malloc(NX_LOG_LINE_MAX)))
        len = nx__line_write(style, &line, at = more, NX_LOG_LINE_MAX, &whole);
    (void)nx__outlet_put(o, at, len,
                         (enum nx__full)atomic_load_explicit(&settings.full, memory_order_relaxed));
    free(more);
    if (nx__unlikely(level == NX_LOG_FATAL)) (void)nx__outlet_drain(o, FATAL_STALL);
    errno = saved;
}

/* Whether the line is to be written: the macros ask before, but not before the first line. */
static inline bool passes(nx_log_level level)
{
    if (nx__unlikely(!NX_LOAD_RELAXED(&nx_log_least))) prepare();
    return nx_log_enabled(level) && level < NX_LOG_OFF;
}

void nx_log_fields(nx_log_level level, const char *message, const nx_value *items, size_t count)
{
    if (passes(level)) emit(level, nx_str(message), items, count);
}

void nx_log_format(nx_log_level level, const char *format, ...)
{
    if (!passes(level)) return;
    int saved = errno; /* for %m, and for the caller */
    char text[MESSAGE_FIRST], *at = text, *more = NULL;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len >= sizeof text) {
        size_t most = len < NX_LOG_LINE_MAX ? len + 1 : NX_LOG_LINE_MAX;
        if ((more = malloc(most))) {
            at = more;
            errno = saved;
            va_start(args, format);
            (void)vsnprintf(more, most, format, args);
            va_end(args);
            len = most - 1;
        } else {
            len = sizeof text - 1;
        }
    }
    errno = saved;
    emit(level, n < 0 ? nx_str(format) : nx_slice(at, len), NULL, 0);
    free(more);
    errno = saved;
}

bool nx__log_say(enum nx__say kind, const char *text)
{
    static const nx_log_level levels[] = {[NX__SAY_WARNING] = NX_LOG_WARN,
                                          [NX__SAY_ERROR] = NX_LOG_ERROR,
                                          [NX__SAY_LAST] = NX_LOG_FATAL};
    bool logs = NX_LOAD_RELAXED(&nx_log_least) || settings.preset || getenv("NEXUS_LOG");
    if (!logs || !sink()) return false;
    nx_log_fields(levels[kind], text, NULL, 0);
    return true;
}

nx_err nx_log_flush(void)
{
    struct nx__outlet *o = atomic_load(&settings.sink);
    nx_err err = o ? nx__outlet_flush(o) : NX_OK;
    if (err == NX_ECANCELED) return nx__error_set(err, "cancelled while the log is written");
    if (err) return nx__error_set(NX_EIO, "the log can't be written: %s", nx_err_text(err));
    return NX_OK;
}

uint64_t nx_log_dropped(void)
{
    struct nx__outlet *o = atomic_load(&settings.sink);
    return o ? atomic_load(&o->lost) : 0;
}

/* ---- What is told of lost lines */

static size_t lost_text(struct nx__outlet *o, char out[NX__OUTLET_LOST], uint64_t lines)
{
    nx_value items[] = {nx_val("lines"), nx_val(lines)};
    struct nx__line line = {.level = NX_LOG_WARN,
                            .time = nx__clock_wall(),
                            .message = nx_str("log lines were dropped: nobody read them in time"),
                            .items = items,
                            .count = 2};
    bool whole;
    return nx__line_write(nx__log_style(o), &line, out, NX__OUTLET_LOST, &whole);
}

const struct nx__outlet_hooks nx__log_hooks = {.lost = lost_text};
