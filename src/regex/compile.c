/* Patterns: compiled by PCRE2, into memory of the scope. */
#include "base/error.h"
#include "base/utf8.h"
#include "regex/regex.h"

static void *scope_alloc(size_t size, void *data)
{
    (void)data;
    return nx_alloc(size);
}

static void scope_free(void *memory, void *data)
{
    (void)memory;
    (void)data;
}

/* ---- What is wrong with a pattern */

/* The message, and below it the pattern around the place, with a mark. */
static nx_err refuse(nx_bytes pattern, size_t at, const char *reason)
{
    enum { BEFORE = 24, AROUND = 39 }; /* no more than nx__quoted keeps */
    char shown[NX__QUOTED];
    if (at > pattern.len) at = pattern.len;
    size_t from = at > BEFORE ? at - BEFORE : 0;
    size_t len = pattern.len - from < AROUND ? pattern.len - from : AROUND;
    return nx__error_set(
        NX_EINVAL, "cannot compile the pattern: %s, at character %zu\n    %s\n    %*s^", reason,
        at + 1, nx__quoted(shown, nx_slice(pattern.data + from, len)), (int)(at - from), "");
}

/* Where it says \G, which means where the search began: a search here begins often. */
static const char *find_g(nx_bytes pattern)
{
    bool quoted = false;
    for (size_t i = 0; i + 1 < pattern.len; i++) {
        if (pattern.data[i] != '\\') continue;
        char c = pattern.data[i + 1];
        if (c == 'Q')
            quoted = true;
        else if (c == 'E')
            quoted = false;
        else if (c == 'G' && !quoted)
            return pattern.data + i;
        if (!quoted || c == 'E') i++;
    }
    return NULL;
}

static nx_err check(nx_bytes pattern, bool bytes)
{
    if (pattern.len > NX_REGEX_MAX_PATTERN)
        return nx__error_set(NX_ETOOBIG, "the pattern is longer than %zu bytes",
                             NX_REGEX_MAX_PATTERN);
    const char *end = pattern.data + pattern.len, *at = pattern.data;
    for (size_t n; !bytes && at < end; at += n)
        if (!(n = nx__utf8_sequence(at, end)))
            return refuse(pattern, (size_t)(at - pattern.data), "it is not UTF-8");
    if ((at = find_g(pattern)))
        return refuse(pattern, (size_t)(at - pattern.data), "\\G is not supported");
    return NX_OK;
}

/* ---- Where its matches begin */

/* The byte in either case: whether the case counts, PCRE2 keeps to itself. */
static struct nx__regex_bytes either_case(uint32_t byte)
{
    unsigned char c = (unsigned char)byte, lower = c | 0x20, other = c ^ 0x20;
    struct nx__regex_bytes bytes = {.one = lower < 'a' || lower > 'z', .byte = c};
    bytes.set[c / 8] |= (uint8_t)(1 << c % 8);
    bytes.set[other / 8] |= (uint8_t)(1 << other % 8);
    return bytes;
}

static void learn(struct nx_regex *regex, const pcre2_code *code)
{
    uint32_t options = 0, first = 0, last = 0, unit = 0, captures = 0, newline = 0;
    const uint8_t *set = NULL;
    pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &captures);
    pcre2_pattern_info(code, PCRE2_INFO_NEWLINE, &newline);
    pcre2_pattern_info(code, PCRE2_INFO_FIRSTBITMAP, &set);
    pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &first);
    pcre2_pattern_info(code, PCRE2_INFO_LASTCODETYPE, &last);
    regex->groups = captures + 1;
    if (options & PCRE2_ANCHORED) {
        regex->first = NX__REGEX_ONCE;
    } else if (first == 1) {
        regex->first = NX__REGEX_BYTES;
        pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
        regex->beginnings = either_case(unit);
    } else if (first == 2) {
        if (newline == PCRE2_NEWLINE_LF) regex->first = NX__REGEX_LINE;
    } else if (set) {
        regex->first = NX__REGEX_BYTES;
        memcpy(regex->beginnings.set, set, sizeof regex->beginnings.set);
    }
    regex->needs = last == 1;
    if (regex->needs) {
        pcre2_pattern_info(code, PCRE2_INFO_LASTCODEUNIT, &unit);
        regex->needed = either_case(unit);
    }
}

/* ---- Compiling */

static uint32_t flags_of(const nx_regex_options *o)
{
    uint32_t flags = PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_USE_OFFSET_LIMIT;
    if (!o->bytes) flags |= PCRE2_UTF | PCRE2_NO_UTF_CHECK;
    if (o->ignore_case) flags |= PCRE2_CASELESS;
    if (o->multiline) flags |= PCRE2_MULTILINE;
    if (o->dot_all) flags |= PCRE2_DOTALL;
    if (o->extended) flags |= PCRE2_EXTENDED;
    if (o->anchored) flags |= PCRE2_ANCHORED;
    if (o->unicode && !o->bytes) flags |= PCRE2_UCP;
    return flags;
}

/* With `learning`, for what PCRE2 finds out about beginnings: it would look for them itself in each
 * few that it is given, so the code that searches is compiled without. */
static pcre2_code *compile(nx_bytes pattern, uint32_t flags, pcre2_general_context *memory,
                           bool learning, int *number, size_t *at)
{
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    *number = PCRE2_ERROR_HEAP_FAILED;
    if (!context) return NULL;
    pcre2_set_parens_nest_limit(context, NX_REGEX_MAX_DEPTH);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    if (!learning) flags |= PCRE2_NO_START_OPTIMIZE;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, flags, number, at, context);
    pcre2_compile_context_free(context);
    return code;
}

nx_err nx_regex_compile_with(nx_regex **out, nx_bytes pattern, const nx_regex_options *options)
{
    NX__OPTIONS(nx_regex_options, o, options);
    *out = NULL;
    if (!pattern.data) pattern = nx_slice("", 0);
    NX_TRY(check(pattern, o.bytes));
    nx_regex *regex = nx_alloc_zero(1, sizeof *regex);
    pcre2_general_context *scope = pcre2_general_context_create(scope_alloc, scope_free, NULL);
    if (!regex || !scope) return NX_ENOMEM;
    int number = 0;
    size_t at = 0;
    pcre2_code *learned = compile(pattern, flags_of(&o), NULL, true, &number, &at);
    if (learned) {
        learn(regex, learned);
        pcre2_code_free(learned);
        regex->code = compile(pattern, flags_of(&o), scope, false, &number, &at);
    }
    if (regex->code) {
        uint32_t flags = flags_of(&o) | PCRE2_AUTO_CALLOUT;
        regex->watched = compile(pattern, flags, scope, false, &number, &at);
        if (!regex->watched && number == PCRE2_ERROR_HEAP_FAILED) regex->code = NULL;
    }
    if (!regex->code) {
        char reason[120];
        if (number == PCRE2_ERROR_HEAP_FAILED)
            return nx__error_set(NX_ENOMEM, "cannot compile the pattern: out of memory");
        pcre2_get_error_message(number, (PCRE2_UCHAR *)reason, sizeof reason);
        return refuse(pattern, at, reason);
    }
    regex->bytes = o.bytes;
    regex->max_steps = o.max_steps ? o.max_steps : NX_REGEX_MAX_STEPS;
    regex->max_time = o.max_time ? o.max_time : NX_REGEX_MAX_TIME;
    *out = regex;
    return NX_OK;
}

int nx__regex_group(const struct nx_regex *regex, nx_bytes name)
{
    uint32_t count = 0, size = 0;
    const unsigned char *entry = NULL; /* two bytes of a number, the name, a NUL */
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &entry);
    for (uint32_t i = 0; i < count; i++, entry += size)
        if (nx_bytes_is(name, (const char *)entry + 2)) return entry[0] << 8 | entry[1];
    return -1;
}

nx_err nx_regex_escape(nx_bytes text, nx_bytes *out)
{
    if (text.len > SIZE_MAX / 8) return nx__error_set(NX_ETOOBIG, "the text is too long");
    char *pattern = nx_alloc(text.len * 4 + 1), *to = pattern;
    if (!pattern) return NX_ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool word = (unsigned char)c >= 0x80 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                    (c >= '0' && c <= '9') || c == '_';
        if (!c) {
            memcpy(to, "\\x00", 4);
            to += 4;
            continue;
        }
        if (!word) *to++ = '\\';
        *to++ = c;
    }
    *to = '\0';
    *out = nx_slice(pattern, (size_t)(to - pattern));
    return NX_OK;
}
