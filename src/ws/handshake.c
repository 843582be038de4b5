/* The opening handshake's texts. */
#include "ws/handshake.h"

#include "base/compiler.h"
#include "encode/encode.h"
#include <nexus/crypto.h>
#include <strings.h>

enum { NONCE = 16 };

bool nx__ws_key_valid(nx_bytes key)
{
    char bytes[NX__WS_KEY]; /* nx__base64_read wants three bytes of room more */
    size_t len = 0;
    return key.len == NX__WS_KEY &&
           !nx__base64_read(bytes, &len, key, &(nx_base64_options){.size = 0}) && len == NONCE;
}

void nx__ws_key_make(char out[NX__WS_KEY + 1])
{
    unsigned char nonce[NONCE];
    nx_random(nonce, sizeof nonce);
    (void)nx__base64_encode(out, nx_slice(nonce, sizeof nonce), &(nx_base64_options){.size = 0});
}

nx_err nx__ws_accept_key(nx_bytes key, char out[NX__WS_ACCEPT + 1])
{
    static const char constant[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[NX__WS_KEY + sizeof constant];
    nx_digest digest;
    memcpy(text, key.data, NX__WS_KEY);
    memcpy(text + NX__WS_KEY, constant, sizeof constant);
    NX_TRY(nx_hash_of(NX_SHA1_FOR_LEGACY, nx_slice(text, sizeof text - 1), &digest));
    (void)nx__base64_encode(out, nx_slice(digest.bytes, digest.len),
                            &(nx_base64_options){.size = 0});
    return NX_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static nx_bytes trim(nx_bytes text)
{
    while (text.len && is_space(*text.data)) text = nx_slice(text.data + 1, text.len - 1);
    while (text.len && is_space(text.data[text.len - 1])) text.len--;
    return text;
}

nx_bytes nx__ws_list_next(nx_bytes *rest)
{
    while (rest->len) {
        const char *comma = memchr(rest->data, ',', rest->len);
        size_t len = comma ? (size_t)(comma - rest->data) : rest->len, skip = len + (comma != NULL);
        nx_bytes item = trim(nx_slice(rest->data, len));
        *rest = nx_slice(rest->data + skip, rest->len - skip);
        if (item.len) return item;
    }
    return (nx_bytes){0};
}

static bool same(nx_bytes a, nx_bytes b)
{
    return a.len == b.len && (!a.len || strncasecmp(a.data, b.data, a.len) == 0);
}

bool nx__ws_list_has(nx_bytes list, const char *token)
{
    for (nx_bytes item; (item = nx__ws_list_next(&list)).len;)
        if (same(item, nx_str(token))) return true;
    return false;
}

/* A star for the first labels is any name below the others, of any depth, not these alone. */
static bool origin_fits(nx_bytes wanted, nx_bytes origin)
{
    const char *star = memchr(wanted.data, '*', wanted.len);
    if (!star) return same(wanted, origin);
    size_t before = (size_t)(star - wanted.data), behind = wanted.len - before - 1;
    if (origin.len <= before + behind) return false;
    nx_bytes label = nx_slice(origin.data + before, origin.len - before - behind);
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.data[i];
        if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z') && c != '-' && c != '.')
            return false; /* no port, no user */
    }
    return same(nx_slice(wanted.data, before), nx_slice(origin.data, before)) &&
           same(nx_slice(star + 1, behind), nx_slice(label.data + label.len, behind));
}

bool nx__ws_origin_allowed(const char *list, nx_bytes origin)
{
    nx_bytes rest = nx_str(list);
    for (nx_bytes item; (item = nx__ws_list_next(&rest)).len;)
        if (nx_bytes_is(item, "*") || origin_fits(item, origin)) return true;
    return false;
}

bool nx__ws_origin_is_own(nx_bytes origin, nx_bytes host)
{
    for (size_t i = 0; i + 3 <= origin.len; i++) {
        if (memcmp(origin.data + i, "://", 3) != 0) continue;
        return host.len && same(nx_slice(origin.data + i + 3, origin.len - i - 3), host);
    }
    return false;
}

static bool is_token(nx_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || (unsigned char)text.data[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", text.data[i]))
            return false;
    return text.len;
}

/* Cuts a line that ends in CRLF off; false when there is none, or it has other controls in it. */
static bool line_next(nx_bytes *rest, nx_bytes *line)
{
    const char *end = rest->len ? memchr(rest->data, '\r', rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : 0;
    if (!end || rest->len - len < 2 || end[1] != '\n') return false;
    *line = nx_slice(rest->data, len);
    *rest = nx_slice(end + 2, rest->len - len - 2);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)line->data[i] < ' ' && line->data[i] != '\t') || line->data[i] == 0x7f)
            return false;
    return true;
}

bool nx__ws_answer_read(struct nx__ws_answer *answer, nx_bytes head)
{
    static const char version[] = "HTTP/1.1 ";
    nx_bytes line;
    *answer = (struct nx__ws_answer){.status = 0};
    if (!line_next(&head, &line)) return false;
    if (line.len < sizeof version - 1 + 3 || memcmp(line.data, version, sizeof version - 1) != 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        char digit = line.data[sizeof version - 1 + i];
        if (digit < '0' || digit > '9') return false;
        answer->status = answer->status * 10 + (digit - '0');
    }
    if (line.len > sizeof version - 1 + 3 && line.data[sizeof version - 1 + 3] != ' ') return false;
    for (;;) {
        if (!line_next(&head, &line)) return false;
        if (!line.len) return true;
        const char *colon = memchr(line.data, ':', line.len);
        if (!colon) return false;
        nx_bytes name = nx_slice(line.data, (size_t)(colon - line.data));
        nx_bytes value = trim(nx_slice(colon + 1, line.len - name.len - 1));
        if (!is_token(name)) return false;
        nx_bytes *field = same(name, nx_str("upgrade"))                    ? &answer->upgrade
                          : same(name, nx_str("connection"))               ? &answer->connection
                          : same(name, nx_str("sec-websocket-accept"))     ? &answer->accept
                          : same(name, nx_str("sec-websocket-protocol"))   ? &answer->protocol
                          : same(name, nx_str("sec-websocket-extensions")) ? &answer->extensions
                                                                           : NULL;
        if (!field) continue;
        if (field->data && field != &answer->upgrade && field != &answer->connection)
            answer->twice = true;
        *field = value;
    }
}
