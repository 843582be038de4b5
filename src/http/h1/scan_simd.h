/* Scanning by vectors: what the instruction sets share. They bring, for the bytes at `p`, one bit
 * each, the first byte lowest: nx__simd_control16, nx__simd_control64 (control, tab too),
 * nx__simd_not_label16, nx__simd_not_plain16.
 *
 * Controls are found in windows of 64 bytes that follow one another. So the next window never waits
 * for where the last line ended, and the processor works on several at once. */

struct nx__scan {
    const char *buf;
    size_t len;
    size_t window; /* offset of its first byte */
    uint64_t bits; /* its controls */
};

/* The controls from `window` to the end, which is less than 64 bytes away. */
static NX__INLINE uint64_t nx__scan_tail(const char *buf, size_t window, size_t len)
{
    if (len >= 64) return nx__simd_control64(buf + len - 64) >> (64 - (len - window));
    /* There was no window before. Four overlapping vectors, without a branch for each length. */
    if (nx__likely(len >= 16)) {
        size_t last = len - 16, second = last < 16 ? last : 16, third = last < 32 ? last : 32;
        return nx__simd_control16(buf) | nx__simd_control16(buf + second) << second |
               nx__simd_control16(buf + third) << third | nx__simd_control16(buf + last) << last;
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < len; i++)
        bits |= (uint64_t)(buf[i] == '\t' || !nx__h1_is(buf[i], NX__H1_VALUE)) << i;
    return bits;
}

static NX__INLINE void nx__scan_window(struct nx__scan *scan, size_t window)
{
    scan->window = window;
    scan->bits = nx__likely(scan->len - window >= 64) ? nx__simd_control64(scan->buf + window)
                                                      : nx__scan_tail(scan->buf, window, scan->len);
}

static NX__INLINE void nx__scan_init(struct nx__scan *scan, const char *buf, size_t len)
{
    scan->buf = buf;
    scan->len = len;
    nx__scan_window(scan, 0);
}

static NX__INLINE size_t nx__scan_control(struct nx__scan *scan, size_t at)
{
    for (;;) {
        while (at - scan->window >= 64) {
            if (scan->len - scan->window <= 64) return scan->len;
            nx__scan_window(scan, scan->window + 64);
        }
        uint64_t bits = scan->bits >> (at - scan->window);
        if (nx__unlikely(!bits)) {
            at = scan->window + 64;
            continue;
        }
        at += (size_t)nx__ctz64(bits);
        if (nx__likely(scan->buf[at] != '\t')) return at;
        at++;
    }
}

/* The end of a run of one class: 16 bytes at a time, the last 16 of the buffer overlapping. */
static NX__INLINE size_t nx__scan_run(const char *buf, size_t at, size_t len,
                                      uint64_t (*outside16)(const char *), enum nx__h1_class class)
{
    for (; len - at >= 16; at += 16) {
        uint64_t bits = outside16(buf + at);
        if (nx__likely(bits)) return at + (size_t)nx__ctz64(bits);
    }
    if (nx__unlikely(len < 16)) {
        while (at < len && nx__h1_is(buf[at], class)) at++;
        return at;
    }
    if (at == len) return len;
    uint64_t bits = outside16(buf + len - 16) >> (16 - (len - at));
    return bits ? at + (size_t)nx__ctz64(bits) : len;
}

static inline size_t nx__scan_label(const char *buf, size_t at, size_t len)
{
    return nx__scan_run(buf, at, len, nx__simd_not_label16, NX__H1_LABEL);
}

static inline size_t nx__scan_plain(const char *buf, size_t at, size_t len)
{
    return nx__scan_run(buf, at, len, nx__simd_not_plain16, NX__H1_PLAIN);
}
