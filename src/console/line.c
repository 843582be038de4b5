/* A line of the log. */
#include "console/line.h"

#include "base/compiler.h"
#include "base/json.h"
#include "base/utf8.h"
#include <math.h>

struct out {
    char *at, *end; /* behind the end there is room for what closes a line that is cut */
    bool cut;
};

enum { CLOSE_ROOM = 96 };

/* ---- Bytes */

static inline bool room(struct out *w, size_t len)
{
    if (nx__likely(len <= (size_t)(w->end - w->at))) return true;
    w->cut = true;
    w->end = w->at; /* nothing shorter may follow what was left out */
    return false;
}

static inline void put(struct out *w, const char *data, size_t len)
{
    if (!room(w, len)) return;
    memcpy(w->at, data, len);
    w->at += len;
}

#define PUT(w, literal) put((w), (literal), sizeof(literal) - 1)

/* What has to stand there even if the line is cut: then into the room that is kept. */
static inline void put_always(struct out *w, const char *data, size_t len)
{
    memcpy(w->at, data, len);
    w->at += len;
    if (w->end < w->at) w->end = w->at;
}

#define PUT_ALWAYS(w, literal) put_always((w), (literal), sizeof(literal) - 1)

/* ---- Text */

enum quoting {
    BARE,   /* as it is, but for what is escaped */
    QUOTED, /* between quotes, for people: invalid bytes are \xNN */
    JSON,   /* between quotes of JSON, where there is no \xNN */
};

static const char hex[] = "0123456789abcdef";

static void put_unicode(struct out *w, unsigned code)
{
    char text[6] = {'\\',          'u', hex[code >> 12], hex[code >> 8 & 15], hex[code >> 4 & 15],
                    hex[code & 15]};
    put(w, text, sizeof text);
}

/* ASCII that is not plain. */
static void put_ascii(struct out *w, char c, enum quoting quoting)
{
    char text[2] = {'\\', c};
    switch (c) {
    case '"':
    case '\\':
        if (quoting == BARE)
            put(w, &c, 1);
        else
            put(w, text, 2);
        return;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    default: put_unicode(w, (unsigned char)c); return;
    }
    put(w, text, 2);
}

/* The character's code where it may not be shown as it is: controls beyond ASCII, other ends of a
 * line, and what turns the direction of text round. 0 for all others. */
static unsigned steers(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    if (len == 2 && u[0] == 0xc2 && u[1] < 0xa0) return u[1];
    if (len != 3 || u[0] != 0xe2) return 0;
    unsigned code = 0x2000u | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    bool bad = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return bad ? code : 0;
}

/* One character that is not plain; returns what follows it. */
static NX__NOINLINE const char *put_special(struct out *w, const char *s, const char *end,
                                            enum quoting quoting)
{
    if ((unsigned char)*s < 0x80) {
        put_ascii(w, *s, quoting);
        return s + 1;
    }
    size_t n = nx__utf8_sequence(s, end);
    if (!n) {
        unsigned char byte = (unsigned char)*s;
        char text[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        if (quoting == JSON)
            PUT(w, "\\ufffd");
        else
            put(w, text, sizeof text);
        return s + 1;
    }
    unsigned code = steers(s, n);
    if (code)
        put_unicode(w, code);
    else
        put(w, s, n);
    return s + n;
}

static inline void put_text(struct out *w, const char *s, size_t len, enum quoting quoting)
{
    if (!len) return; /* then `s` may be NULL */
    const char *end = s + len;
    while (s < end && !w->cut) {
        size_t left = (size_t)(end - s), most = (size_t)(w->end - w->at);
        bool all = left <= most;
        size_t n = nx__json_copy_plain(w->at, s, all ? left : most);
        /* Plain in JSON, and yet a control. */
        const char *rubout = n ? memchr(w->at, 0x7f, n) : NULL;
        if (nx__unlikely(rubout != NULL)) n = (size_t)(rubout - w->at);
        w->at += n;
        s += n;
        if (s == end) return;
        if (!all && n == most)
            w->cut = true;
        else
            s = put_special(w, s, end, quoting);
    }
}

/* Between quotes. A text that does not fit ends in "…". */
static inline void put_quoted(struct out *w, const char *s, size_t len, enum quoting quoting)
{
    PUT(w, "\"");
    if (nx__unlikely(w->cut)) return;
    put_text(w, s, len, quoting);
    if (nx__unlikely(w->cut)) PUT_ALWAYS(w, "…");
    PUT_ALWAYS(w, "\"");
}

/* ---- Values */

static void put_value(struct out *w, const nx_value *v, int depth);

static void put_name(struct out *w, const nx_value *name)
{
    if (name->kind == NX_VALUE_STRING)
        put_quoted(w, name->as.string.data, name->as.string.len, JSON);
    else
        PUT(w, "\"?\"");
}

static void put_list(struct out *w, const nx_value *v, int depth)
{
    bool object = v->kind == NX_VALUE_OBJECT;
    size_t count = object ? v->as.list.count / 2 * 2 : v->as.list.count;
    put(w, object ? "{" : "[", 1);
    for (size_t i = 0; i < count && !w->cut; i++) {
        if (i) put(w, object && i % 2 ? ":" : ",", 1);
        if (object && i % 2 == 0)
            put_name(w, &v->as.list.items[i]);
        else
            put_value(w, &v->as.list.items[i], depth + 1);
    }
    put(w, object ? "}" : "]", 1);
}

/* JSON is trusted to be valid; a line of it stays one. */
static void put_raw(struct out *w, const char *s, size_t len)
{
    if (!room(w, len)) return;
    for (size_t i = 0; i < len; i++) *w->at++ = (unsigned char)s[i] < 0x20 ? ' ' : s[i];
}

static void put_number(struct out *w, const nx_value *v)
{
    nx_err err;
    size_t most = (size_t)(w->end - w->at), len = nx__json_write(*v, w->at, most, &err);
    if (!err && room(w, len)) w->at += len;
}

static void put_double(struct out *w, const nx_value *v)
{
    double n = v->as.real;
    if (isnan(n))
        PUT(w, "\"NaN\"");
    else if (isinf(n))
        n > 0 ? PUT(w, "\"Infinity\"") : PUT(w, "\"-Infinity\"");
    else
        put_number(w, v);
}

/* As JSON. Where it is cut the caller takes it back, unless it is a string. */
static void put_value(struct out *w, const nx_value *v, int depth)
{
    switch (v->kind) {
    case NX_VALUE_NULL: PUT(w, "null"); return;
    case NX_VALUE_BOOL: v->as.boolean ? PUT(w, "true") : PUT(w, "false"); return;
    case NX_VALUE_INT:
    case NX_VALUE_UINT: put_number(w, v); return;
    case NX_VALUE_DOUBLE: put_double(w, v); return;
    case NX_VALUE_STRING: put_quoted(w, v->as.string.data, v->as.string.len, JSON); return;
    case NX_VALUE_RAW: put_raw(w, v->as.string.data, v->as.string.len); return;
    case NX_VALUE_NONE: break;
    case NX_VALUE_ARRAY:
    case NX_VALUE_OBJECT:
        if (depth < NX__LINE_DEPTH)
            put_list(w, v, depth);
        else
            PUT(w, "\"…\"");
        return;
    }
    PUT(w, "\"?\"");
}

/* ---- Time */

/* The days since 1970 as a date of the Gregorian calendar. Years begin in March here, so that the
 * day that leap years have more is their last. */
static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned d = (unsigned)(shifted - era * 146097);
    unsigned y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    unsigned of_year = d - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (unsigned)((int64_t)y + era * 400) + (*month <= 2);
}

static void two_digits(char *out, unsigned n)
{
    out[0] = (char)('0' + n / 10);
    out[1] = (char)('0' + n % 10);
}

enum { SECOND_LEN = 19, TIME_LEN = SECOND_LEN + 5 };

/* RFC 3339. The seconds are made once a second and thread. */
static inline void put_time(struct out *w, nx_duration time)
{
    static NX__THREAD_LOCAL struct {
        int64_t second;
        char text[SECOND_LEN];
    } cache = {.second = -1};
    if (time < 0) time = 0; /* before 1970 no clock is right; the type ends in 2262 */
    int64_t second = time / NX_S(1);
    unsigned ms = (unsigned)(time / NX_MS(1) % 1000);
    if (nx__unlikely(second != cache.second)) {
        unsigned year, month, day, of_day = (unsigned)(second % 86400);
        date_of(second / 86400, &year, &month, &day);
        memcpy(cache.text, "0000-00-00T00:00:00", SECOND_LEN);
        two_digits(cache.text, year / 100);
        two_digits(cache.text + 2, year % 100);
        two_digits(cache.text + 5, month);
        two_digits(cache.text + 8, day);
        two_digits(cache.text + 11, of_day / 3600);
        two_digits(cache.text + 14, of_day / 60 % 60);
        two_digits(cache.text + 17, of_day % 60);
        cache.second = second;
    }
    if (!room(w, TIME_LEN)) return;
    memcpy(w->at, cache.text, SECOND_LEN);
    char *rest = w->at + SECOND_LEN;
    rest[0] = '.';
    rest[1] = (char)('0' + ms / 100);
    two_digits(rest + 2, ms % 100);
    rest[4] = 'Z';
    w->at += TIME_LEN;
}

/* ---- Lines */

enum { ACTIVITY_MOST = 256 };

static const struct {
    const char *name, *padded, *color;
} levels[] = {
    {"?", "?    ", ""},
    {"trace", "TRACE", "\033[2m"},
    {"debug", "DEBUG", "\033[36m"},
    {"info", "INFO ", "\033[32m"},
    {"warn", "WARN ", "\033[33m"},
    {"error", "ERROR", "\033[31m"},
    {"fatal", "FATAL", "\033[1;31m"},
    {"off", "OFF  ", ""},
};

static int level_index(nx_log_level level)
{
    return level >= NX_LOG_TRACE && level <= NX_LOG_OFF ? (int)level : 0;
}

const char *nx__level_name(nx_log_level level)
{
    return levels[level_index(level)].name;
}

static nx_bytes activity_of(const struct nx__line *line)
{
    nx_bytes activity = line->activity;
    if (activity.len > ACTIVITY_MOST) activity.len = ACTIVITY_MOST;
    return activity;
}

/* The names that the line itself uses: a field of such a name gets an underscore. */
static bool is_taken(const char *name, size_t len)
{
    switch (len) {
    case 3: return memcmp(name, "msg", 3) == 0;
    case 4: return memcmp(name, "time", 4) == 0;
    case 5: return memcmp(name, "level", 5) == 0 || memcmp(name, "fiber", 5) == 0;
    case 7: return memcmp(name, "request", 7) == 0;
    case 9: return memcmp(name, "truncated", 9) == 0;
    default: return false;
    }
}

static void json_field(struct out *w, const nx_value *name, const nx_value *value)
{
    char *start = w->at;
    PUT(w, ",");
    if (name->kind == NX_VALUE_STRING && is_taken(name->as.string.data, name->as.string.len)) {
        PUT(w, "\"");
        put(w, name->as.string.data, name->as.string.len);
        PUT(w, "_\"");
    } else {
        put_name(w, name);
    }
    PUT(w, ":");
    char *before = w->at;
    bool named = !w->cut;
    if (named) put_value(w, value, 0);
    /* A string that is cut is closed; of all else a part would mean something else. */
    if (nx__unlikely(w->cut) && (!named || value->kind != NX_VALUE_STRING || w->at == before))
        w->at = w->end = start;
}

static void write_json(struct out *w, const struct nx__line *line)
{
    const char *level = nx__level_name(line->level);
    PUT(w, "{\"time\":\"");
    put_time(w, line->time);
    PUT(w, "\",\"level\":\"");
    put(w, level, strlen(level));
    PUT(w, "\",\"msg\":");
    put_quoted(w, line->message.data, line->message.len, JSON);
    if (line->fiber) {
        PUT(w, ",\"fiber\":");
        put_quoted(w, line->fiber, strlen(line->fiber), JSON);
    }
    if (line->activity.len) {
        nx_bytes activity = activity_of(line);
        PUT(w, ",\"request\":");
        put_quoted(w, activity.data, activity.len, JSON);
    }
    for (size_t i = 0; i + 1 < line->count && !w->cut; i += 2)
        json_field(w, &line->items[i], &line->items[i + 1]);
    if (nx__unlikely(w->cut)) PUT_ALWAYS(w, ",\"truncated\":true");
    PUT_ALWAYS(w, "}\n");
}

/* Whether people can tell where it ends without quotes. */
static bool is_word(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '"' || s[i] == '=' || s[i] == '\\') return false;
    return len > 0;
}

static void put_word(struct out *w, const char *s, size_t len)
{
    if (!is_word(s, len)) {
        put_quoted(w, s, len, QUOTED);
        return;
    }
    put_text(w, s, len, BARE);
    if (nx__unlikely(w->cut)) PUT_ALWAYS(w, "…");
}

static void text_field(struct out *w, const char *name, size_t len, const nx_value *value,
                       bool color)
{
    char *start = w->at;
    PUT(w, " ");
    if (color) PUT(w, "\033[2m");
    put_word(w, name, len);
    PUT(w, "=");
    if (color) PUT(w, "\033[0m");
    char *before = w->at;
    bool named = !w->cut, string = value->kind == NX_VALUE_STRING;
    if (named && string)
        put_word(w, value->as.string.data, value->as.string.len);
    else if (named)
        put_value(w, value, 0);
    if (nx__unlikely(w->cut) && (!named || !string || w->at == before)) w->at = w->end = start;
}

static void write_text(struct out *w, const struct nx__line *line, bool color)
{
    int level = level_index(line->level);
    if (color) PUT(w, "\033[2m");
    put_time(w, line->time);
    if (color) PUT(w, "\033[0m");
    PUT(w, " ");
    if (color) put(w, levels[level].color, strlen(levels[level].color));
    put(w, levels[level].padded, 5);
    if (color) PUT(w, "\033[0m");
    PUT(w, " ");
    if (line->fiber && strcmp(line->fiber, "main") != 0) {
        PUT(w, "[");
        put_text(w, line->fiber, strlen(line->fiber), BARE);
        PUT(w, "] ");
    }
    put_text(w, line->message.data, line->message.len, BARE);
    if (nx__unlikely(w->cut)) PUT_ALWAYS(w, "…");
    for (size_t i = 0; i + 1 < line->count && !w->cut; i += 2) {
        const nx_value *name = &line->items[i];
        bool string = name->kind == NX_VALUE_STRING;
        text_field(w, string ? name->as.string.data : "?", string ? name->as.string.len : 1,
                   name + 1, color);
    }
    if (line->activity.len && !w->cut) {
        nx_value activity = nx_value_bytes(activity_of(line));
        text_field(w, "request", 7, &activity, color);
    }
    if (nx__unlikely(w->cut)) PUT_ALWAYS(w, " truncated=true");
    PUT_ALWAYS(w, "\n");
}

size_t nx__line_write(enum nx__line_style style, const struct nx__line *line, char *out, size_t cap,
                      bool *whole)
{
    struct out w = {.at = out, .end = out + cap - CLOSE_ROOM};
    if (style == NX__LINE_JSON)
        write_json(&w, line);
    else
        write_text(&w, line, style == NX__LINE_COLOR);
    *whole = !w.cut;
    return (size_t)(w.at - out);
}

size_t nx__text_safe(char *out, size_t cap, nx_bytes text)
{
    struct out w = {.at = out, .end = out + cap};
    put_text(&w, text.data, text.len, BARE);
    return (size_t)(w.at - out);
}
