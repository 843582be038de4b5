/* multipart/form-data. Strict where two readers could see two things: line ends, heads, what
 * follows a boundary. */
#include "http/multipart.h"

#include "base/utf8.h"
#include "http/data.h"
#include "http/h1/syntax.h"

enum { PADDING_MOST = 64 }; /* spaces behind a boundary, which nobody sends */

static enum nx__multipart_event refuse(struct nx__multipart *m, nx_err err, const char *reason)
{
    m->err = err;
    m->reason = reason;
    return NX__MULTIPART_ERROR;
}

static enum nx__multipart_event wrong(struct nx__multipart *m, const char *reason)
{
    return refuse(m, NX_EPROTO, reason);
}

/* ---- The content-type */

static bool is_boundary(nx_bytes text)
{
    if (!text.len || text.len > NX__BOUNDARY_MOST || text.data[text.len - 1] == ' ') return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], l = (char)(c | 0x20);
        if (!nx__h1_is_digit(c) && !(l >= 'a' && l <= 'z') && !memchr("'()+_,-./:=? ", c, 13))
            return false;
    }
    return true;
}

nx_err nx__multipart_init(struct nx__multipart *m, nx_bytes content_type, uint32_t max_head,
                          uint32_t max_name, struct nx__arena *arena)
{
    *m = (struct nx__multipart){.max_head = max_head, .max_name = max_name};
    nx_bytes rest = content_type, boundary = {0}, name, value;
    if (!nx__text_ieq(nx__attribute_head(&rest), "multipart/form-data")) {
        (void)refuse(m, NX_ENOTSUP, "it is no multipart/form-data");
        return m->err;
    }
    enum nx__attribute more;
    while ((more = nx__attribute_next(&rest, &name, &value)) == NX__ATTRIBUTE_FOUND) {
        if (!nx__text_ieq(name, "boundary")) continue;
        if (boundary.data) more = NX__ATTRIBUTE_BAD;
        if (more == NX__ATTRIBUTE_BAD) break;
        boundary = value;
    }
    if (more == NX__ATTRIBUTE_BAD || !is_boundary(boundary)) {
        (void)wrong(m, "its content-type has no good boundary");
        return m->err;
    }
    m->head = nx__arena_alloc(arena, max_head + 1);
    if (!m->head) {
        (void)refuse(m, NX_ENOMEM, "out of memory");
        return m->err;
    }
    memcpy(m->mark, "\r\n--", 4);
    memcpy(m->mark + 4, boundary.data, boundary.len);
    m->mark_len = boundary.len + 4;
    return NX_OK;
}

/* ---- The head of a part */

/* Takes the backslashes out of what was between quotes, in place. */
static nx_bytes unescape(nx_bytes text)
{
    char *data = (char *)(uintptr_t)text.data; /* in our own head */
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (data[i] == '\\' && i + 1 < text.len && (data[i + 1] == '"' || data[i + 1] == '\\')) i++;
        data[n++] = data[i];
    }
    data[n] = '\0'; /* over the closing quote, a ";" or the line's end */
    return nx_slice(data, n);
}

/* The value of filename*=UTF-8''... (RFC 8187), in place; `data` is NULL if it is something else.
 */
static nx_bytes extended(nx_bytes text)
{
    static const char utf8[] = "utf-8'";
    size_t len = sizeof utf8 - 1;
    if (text.len <= len || !nx__ascii_ieq(text.data, utf8, len)) return (nx_bytes){0};
    const char *quote = memchr(text.data + len, '\'', text.len - len);
    if (!quote) return (nx_bytes){0};
    char *out = (char *)(uintptr_t)text.data;
    size_t n;
    if (!nx__text_decode(nx_slice(quote + 1, (size_t)(text.data + text.len - quote - 1)), false,
                         out, &n))
        return (nx_bytes){0};
    out[n] = '\0';
    return nx_slice(out, n);
}

/* The last part of what may be a path, of any system. */
static nx_bytes base_name(nx_bytes path)
{
    size_t at = path.len;
    while (at && path.data[at - 1] != '/' && path.data[at - 1] != '\\') at--;
    nx_bytes name = nx_slice(path.data + at, path.len - at);
    return nx_bytes_is(name, ".") || nx_bytes_is(name, "..") ? nx_slice(name.data + name.len, 0)
                                                             : name;
}

static enum nx__multipart_event disposition(struct nx__multipart *m, nx_bytes value)
{
    if (m->part.name.data) return wrong(m, "a part has two content-dispositions");
    nx_bytes rest = value, name, text, file = {0}, file_extended = {0};
    if (!nx__text_ieq(nx__attribute_head(&rest), "form-data"))
        return wrong(m, "a part's content-disposition is not form-data");
    enum nx__attribute more;
    while ((more = nx__attribute_next(&rest, &name, &text)) == NX__ATTRIBUTE_FOUND) {
        nx_bytes *slot = nx__text_ieq(name, "name")        ? &m->part.name
                         : nx__text_ieq(name, "filename")  ? &file
                         : nx__text_ieq(name, "filename*") ? &file_extended
                                                           : NULL;
        if (!slot) continue;
        if (slot->data) return wrong(m, "a part's content-disposition says something twice");
        *slot = text;
    }
    if (more == NX__ATTRIBUTE_BAD) return wrong(m, "a part's content-disposition cannot be read");
    if (!m->part.name.data) return wrong(m, "a part has no name");
    bool is_file = file.data || file_extended.data;
    /* The header's text is cut up last: each of these writes a NUL behind itself. */
    m->part.name = unescape(m->part.name);
    if (file.data) file = unescape(file);
    if (!file.data && is_file) {
        file = extended(file_extended);
        if (!file.data) return wrong(m, "the name of a file cannot be read");
    }
    if (is_file) m->part.filename = base_name(file);
    if (m->part.name.len > m->max_name || file.len > m->max_name)
        return refuse(m, NX_ETOOBIG, "the name of a field or file is too long");
    if (!nx__utf8_valid(m->part.name.data, m->part.name.len) ||
        !nx__utf8_valid(file.data, file.len))
        return wrong(m, "the name of a field or file is not UTF-8");
    return NX__MULTIPART_PART;
}

static enum nx__multipart_event field(struct nx__multipart *m, nx_bytes line)
{
    size_t len = 0;
    while (len < line.len && nx__h1_is(line.data[len], NX__H1_TOKEN)) len++;
    if (!len || len == line.len || line.data[len] != ':')
        return wrong(m, "a part's head is malformed");
    nx_bytes name = nx_slice(line.data, len),
             value = nx_slice(line.data + len + 1, line.len - len - 1);
    for (size_t i = 0; i < value.len; i++)
        if (!nx__h1_is(value.data[i], NX__H1_VALUE))
            return wrong(m, "a part's head holds a control character");
    nx_bytes rest = value, head = nx__attribute_head(&rest);
    if (nx__text_ieq(name, "content-disposition")) return disposition(m, value);
    if (nx__text_ieq(name, "content-transfer-encoding")) {
        if (!nx__text_ieq(head, "7bit") && !nx__text_ieq(head, "8bit") &&
            !nx__text_ieq(head, "binary"))
            return wrong(m, "a part has a transfer encoding, which forms do not have");
    } else if (nx__text_ieq(name, "content-type")) {
        if (m->part.type.data) return wrong(m, "a part has two content-types");
        while (value.len && nx__h1_is(value.data[0], NX__H1_BLANK))
            value = nx_slice(value.data + 1, value.len - 1);
        while (value.len && nx__h1_is(value.data[value.len - 1], NX__H1_BLANK)) value.len--;
        m->part.type = value;
    }
    return NX__MULTIPART_PART;
}

/* `head` is whole: its lines end in CR LF, the last one is empty. */
static enum nx__multipart_event head_done(struct nx__multipart *m)
{
    m->part = (nx_part){0};
    const char *line = m->head, *end = m->head + m->head_len - 2;
    while (line < end) {
        const char *stop = memchr(line, '\r', (size_t)(end - line));
        enum nx__multipart_event event = field(m, nx_slice(line, (size_t)(stop - line)));
        if (event == NX__MULTIPART_ERROR) return event;
        line = stop + 2;
    }
    if (!m->part.name.data) return wrong(m, "a part has no content-disposition");
    if (m->part.type.data) ((char *)(uintptr_t)m->part.type.data)[m->part.type.len] = '\0';
    m->state = NX__MULTIPART_BODY;
    return NX__MULTIPART_PART;
}

static enum nx__multipart_event head_byte(struct nx__multipart *m, char c)
{
    if (m->head_len == m->max_head) return refuse(m, NX_ETOOBIG, "the head of a part is too large");
    char before = m->head_len ? m->head[m->head_len - 1] : '\0';
    if ((c == '\n') != (before == '\r'))
        return wrong(m, "a line of a part's head does not end in CR LF");
    m->head[m->head_len++] = c;
    if (c != '\n') return NX__MULTIPART_MORE;
    bool last = m->head_len == 2 || (m->head_len >= 4 && m->head[m->head_len - 3] == '\n');
    return last ? head_done(m) : NX__MULTIPART_MORE;
}

/* ---- Boundaries */

/* Data up to the next mark. A CR is only ever the first byte of the mark, so what was held back and
 * turns out to be none is data as a whole. */
static enum nx__multipart_event body(struct nx__multipart *m, const char **at, const char *end,
                                     nx_bytes *piece)
{
    if (m->matched) {
        while (*at < end && m->matched < m->mark_len && **at == m->mark[m->matched]) {
            m->matched++;
            (*at)++;
        }
        if (m->matched < m->mark_len) {
            if (*at == end) return NX__MULTIPART_MORE;
            *piece = nx_slice(m->mark, m->matched);
            m->matched = 0;
            return NX__MULTIPART_DATA;
        }
    } else {
        size_t len = (size_t)(end - *at);
        const char *mark = memmem(*at, len, m->mark, m->mark_len), *stop = mark ? mark : end;
        if (!mark) {
            /* The input may end with the beginning of one. */
            size_t tail = len < m->mark_len ? len : m->mark_len - 1;
            const char *begin = memrchr(end - tail, '\r', tail);
            if (begin && memcmp(begin, m->mark, (size_t)(end - begin)) == 0) stop = begin;
        }
        if (stop > *at) {
            *piece = nx_slice(*at, (size_t)(stop - *at));
            *at = stop;
            return NX__MULTIPART_DATA;
        }
        if (!mark) {
            m->matched = (size_t)(end - stop);
            *at = end;
            return NX__MULTIPART_MORE;
        }
        *at += m->mark_len;
    }
    m->matched = 0;
    m->padding = 0;
    m->state = NX__MULTIPART_MARKED;
    return NX__MULTIPART_PART_END;
}

/* The first mark; the line break before it need not be there. */
static enum nx__multipart_event start(struct nx__multipart *m, char c)
{
    if (!m->matched && c == '-') m->matched = 2;
    if (c != m->mark[m->matched]) return wrong(m, "it does not begin with its boundary");
    if (++m->matched < m->mark_len) return NX__MULTIPART_MORE;
    m->matched = 0;
    m->state = NX__MULTIPART_MARKED;
    return NX__MULTIPART_MORE;
}

static enum nx__multipart_event marked(struct nx__multipart *m, char c)
{
    if (c == '\r') {
        m->state = NX__MULTIPART_RETURN;
    } else if (c == '-' && !m->padding) {
        m->state = NX__MULTIPART_DASH;
    } else if (!nx__h1_is(c, NX__H1_BLANK) || ++m->padding > PADDING_MOST) {
        return wrong(m, "a boundary is followed by something else");
    }
    return NX__MULTIPART_MORE;
}

enum nx__multipart_event nx__multipart_feed(struct nx__multipart *m, const char *data, size_t len,
                                            size_t *used, nx_bytes *piece)
{
    const char *at = data, *end = data + len;
    enum nx__multipart_event event = NX__MULTIPART_MORE;
    while (at < end && event == NX__MULTIPART_MORE) {
        switch (m->state) {
        case NX__MULTIPART_BODY: event = body(m, &at, end, piece); continue;
        case NX__MULTIPART_START: event = start(m, *at); break;
        case NX__MULTIPART_MARKED: event = marked(m, *at); break;
        case NX__MULTIPART_DASH:
            event = *at == '-' ? NX__MULTIPART_END
                               : wrong(m, "a boundary is followed by something else");
            if (event == NX__MULTIPART_END) m->state = NX__MULTIPART_DONE;
            break;
        case NX__MULTIPART_RETURN:
            m->head_len = 0;
            m->state = NX__MULTIPART_HEAD;
            if (*at != '\n') event = wrong(m, "a boundary is followed by something else");
            break;
        case NX__MULTIPART_HEAD: event = head_byte(m, *at); break;
        default: event = NX__MULTIPART_END; continue;
        }
        if (event != NX__MULTIPART_ERROR) at++;
    }
    *used = (size_t)(at - data);
    return event;
}
