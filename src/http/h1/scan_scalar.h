/* Scanning byte by byte: for processors without vectors, and the measure that the others are held
 * to. */

struct nx__scan {
    const char *buf;
    size_t len;
};

static inline void nx__scan_init(struct nx__scan *scan, const char *buf, size_t len)
{
    *scan = (struct nx__scan){buf, len};
}

static inline size_t nx__scan_run(const char *buf, size_t at, size_t len, enum nx__h1_class class)
{
    while (at < len && nx__h1_is(buf[at], class)) at++;
    return at;
}

static inline size_t nx__scan_control(struct nx__scan *scan, size_t at)
{
    return nx__scan_run(scan->buf, at, scan->len, NX__H1_VALUE);
}

static inline size_t nx__scan_label(const char *buf, size_t at, size_t len)
{
    return nx__scan_run(buf, at, len, NX__H1_LABEL);
}

static inline size_t nx__scan_plain(const char *buf, size_t at, size_t len)
{
    return nx__scan_run(buf, at, len, NX__H1_PLAIN);
}
