/* WebSocket frames: reading and writing. */
#include "ws/frame.h"

#include "base/compiler.h"
#include "base/utf8.h"

#define HIGH (UINT64_MAX / 0xff * 0x80)

/* ---- Masks */

/* Two words that the compiler puts into one register, where there are such. */
typedef uint64_t pair NX__VECTOR(16);

uint64_t nx__ws_mask(char *out, const char *in, size_t len, uint32_t mask)
{
    uint64_t word = (uint64_t)mask << 32 | mask, seen = 0;
    pair wide = {word, word}, all = {0, 0};
    size_t at = 0;
    for (; len - at >= 64; at += 64) {
        pair x[4];
        memcpy(x, in + at, sizeof x);
        for (int i = 0; i < 4; i++) x[i] ^= wide;
        all |= (x[0] | x[1]) | (x[2] | x[3]);
        memcpy(out + at, x, sizeof x);
    }
    for (; len - at >= 8; at += 8) {
        uint64_t x;
        memcpy(&x, in + at, 8);
        x ^= word;
        seen |= x;
        memcpy(out + at, &x, 8);
    }
    if (at < len) {
        uint64_t x = 0;
        memcpy(&x, in + at, len - at);
        x ^= word;
        /* Bytes past the end have the mask's, which would count as text. */
        x &= ~UINT64_C(0) >> (8 * (8 - (len - at)));
        seen |= x;
        memcpy(out + at, &x, len - at);
    }
    return seen | all[0] | all[1];
}

/* The mask from its `n`th byte on. Masks are bytes in order, and so are words here (all processors
 * that Nexus knows are little-endian). */
static uint32_t mask_turn(uint32_t mask, size_t n)
{
    unsigned bits = (unsigned)(n & 3) * 8;
    return bits ? mask >> bits | mask << (32 - bits) : mask;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "masks are laid over words in this order");

/* ---- Text */

static uint64_t high_bits(const char *data, size_t len)
{
    uint64_t seen = 0, x[4];
    size_t at = 0;
    for (; len - at >= sizeof x; at += sizeof x) {
        memcpy(x, data + at, sizeof x);
        seen |= (x[0] | x[1]) | (x[2] | x[3]);
        if (seen & HIGH) return seen;
    }
    for (; at < len; at++) seen |= (uint64_t)(unsigned char)data[at];
    return seen;
}

/* Whether the `len` bytes, fewer than a sequence, are the beginning of one. */
static bool begins_sequence(const char *bytes, size_t len)
{
    char whole[4] = {(char)0x80, (char)0x80, (char)0x80, (char)0x80};
    memcpy(whole, bytes, len);
    /* The second byte has a narrower range behind some. */
    if (len == 1 && ((unsigned char)whole[0] == 0xe0 || (unsigned char)whole[0] == 0xf0))
        whole[1] = (char)0xa0;
    size_t n = nx__utf8_sequence(whole, whole + sizeof whole);
    return n > len;
}

bool nx__ws_utf8(struct nx__ws_utf8 *state, const char *data, size_t len)
{
    const char *end = data + len;
    while (state->len && data < end) { /* one that lies across two pieces */
        char whole[4];
        memcpy(whole, state->bytes, state->len);
        whole[state->len] = *data++;
        size_t have = state->len + 1u, n = nx__utf8_sequence(whole, whole + have);
        if (n == have) {
            state->len = 0;
        } else if (have > 3 || !begins_sequence(whole, have)) {
            return false;
        } else {
            memcpy(state->bytes, whole, have);
            state->len = (uint8_t)have;
        }
    }
    while (data < end) {
        size_t rest = (size_t)(end - data);
        if (rest >= 32 && !(high_bits(data, 32) & HIGH)) {
            data += 32;
            continue;
        }
        size_t n = nx__utf8_sequence(data, end);
        if (n) {
            data += n;
            continue;
        }
        if (rest > 3 || !begins_sequence(data, rest)) return false;
        memcpy(state->bytes, data, rest);
        state->len = (uint8_t)rest;
        break;
    }
    return true;
}

/* ---- Reading */

static enum nx__ws_step bad(struct nx__ws_reader *r, uint16_t code, const char *reason)
{
    r->code = code;
    r->reason = reason;
    return NX__WS_BAD;
}

static enum nx__ws_step protocol_error(struct nx__ws_reader *r, const char *reason)
{
    return bad(r, NX__WS_CLOSE_PROTOCOL, reason);
}

static uint64_t big_endian(const char *bytes, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) n = n << 8 | (unsigned char)bytes[i];
    return n;
}

/* Bytes of the head, as far as its first `have` bytes say. */
static size_t head_size(const char *head, size_t have)
{
    if (have < 2) return 2;
    unsigned len = (unsigned char)head[1] & 0x7f;
    return 2 + (len == 126 ? 2u : len == 127 ? 8u : 0u) + (head[1] & 0x80 ? 4u : 0u);
}

static bool is_control(uint8_t opcode)
{
    return opcode & 8;
}

/* The first two bytes (RFC 6455 5.2), as soon as they are there. */
static enum nx__ws_step check_first(struct nx__ws_reader *r, const char *head)
{
    unsigned first = (unsigned char)head[0], second = (unsigned char)head[1];
    bool compressed = first & 0x40;
    r->fin = first & 0x80;
    r->frame = first & 0x0f;
    if (first & 0x30 || (compressed && !r->deflate))
        return protocol_error(r, "a reserved bit is set");
    if (r->masked != !!(second & 0x80))
        return protocol_error(r, r->masked ? "a frame is not masked" : "a frame is masked");
    switch (r->frame) {
    case NX__WS_TEXT:
    case NX__WS_BINARY:
        if (r->message) return protocol_error(r, "a message begins inside of another");
        break;
    case NX__WS_CONTINUATION:
        if (!r->message) return protocol_error(r, "there is nothing to continue");
        if (compressed) return protocol_error(r, "a reserved bit is set");
        break;
    case NX__WS_CLOSE:
    case NX__WS_PING:
    case NX__WS_PONG:
        if (!r->fin) return protocol_error(r, "a control frame is fragmented");
        if ((second & 0x7f) > NX__WS_CONTROL_MOST)
            return protocol_error(r, "a control frame is longer than 125 bytes");
        if (compressed) return protocol_error(r, "a reserved bit is set");
        break;
    default: return protocol_error(r, "a reserved opcode");
    }
    if (!is_control(r->frame) && r->frame != NX__WS_CONTINUATION) r->part_compressed = compressed;
    return NX__WS_MORE;
}

/* A whole head. */
static enum nx__ws_step head_read(struct nx__ws_reader *r, const char *head, size_t size,
                                  size_t have)
{
    unsigned len = (unsigned char)head[1] & 0x7f;
    r->left = len;
    if (len == 126) r->left = big_endian(head + 2, 2);
    if (len == 127) r->left = big_endian(head + 2, 8);
    if ((len == 126 && r->left < 126) || (len == 127 && r->left <= UINT16_MAX))
        return protocol_error(r, "a length is not in its shortest form");
    if (r->left >> 63) return protocol_error(r, "a length has its highest bit set");
    r->mask = 0;
    if (head[1] & 0x80) memcpy(&r->mask, head + size - 4, 4);
    r->in_payload = true;
    if (is_control(r->frame)) {
        r->control_len = 0;
        return NX__WS_MORE;
    }
    if (r->left > r->max_message || have > r->max_message - r->left)
        return bad(r, NX__WS_CLOSE_TOO_BIG, "a message is larger than max_message");
    if (r->frame != NX__WS_CONTINUATION) {
        r->message = r->frame;
        r->utf8.len = 0;
    }
    return NX__WS_MORE;
}

static enum nx__ws_step head_take(struct nx__ws_reader *r, nx_bytes *in, size_t have)
{
    const char *head = in->data;
    size_t size = head_size(head, in->len);
    if (nx__likely(!r->head_len && in->len >= size)) {
        enum nx__ws_step step = check_first(r, head);
        if (step) return step;
        step = head_read(r, head, size, have);
        *in = nx_slice(in->data + size, in->len - size);
        return step;
    }
    for (;;) {
        size = head_size(r->head, r->head_len);
        if (r->head_len == size) break;
        if (!in->len) return NX__WS_MORE;
        r->head[r->head_len++] = *in->data;
        *in = nx_slice(in->data + 1, in->len - 1);
        if (r->head_len == 2) {
            enum nx__ws_step step = check_first(r, r->head);
            if (step) return step;
        }
    }
    r->head_len = 0;
    return head_read(r, r->head, size, have);
}

/* Payload of a message. */
static enum nx__ws_step payload_take(struct nx__ws_reader *r, const char *data, size_t len,
                                     struct nx__buffer *message)
{
    if (nx__buffer_reserve(message, len + 1, r->max_message + 1)) return NX__WS_NO_MEMORY;
    char *out = message->data + message->len;
    uint64_t seen = nx__ws_mask(out, data, len, r->mask);
    message->len += len;
    r->mask = mask_turn(r->mask, len);
    if (r->message != NX__WS_TEXT || r->part_compressed) return NX__WS_MORE;
    if (nx__likely(!(seen & HIGH) && !r->utf8.len)) return NX__WS_MORE;
    if (nx__ws_utf8(&r->utf8, out, len)) return NX__WS_MORE;
    return bad(r, NX__WS_CLOSE_TEXT, "a text message is not UTF-8");
}

static enum nx__ws_step frame_end(struct nx__ws_reader *r)
{
    r->in_payload = false;
    if (is_control(r->frame)) {
        r->opcode = r->frame;
        return NX__WS_CONTROL;
    }
    if (!r->fin) return NX__WS_MORE;
    r->opcode = r->message;
    r->compressed = r->part_compressed;
    r->message = 0;
    if (r->utf8.len) return bad(r, NX__WS_CLOSE_TEXT, "a text message is not UTF-8");
    return NX__WS_MESSAGE;
}

enum nx__ws_step nx__ws_read(struct nx__ws_reader *r, nx_bytes *in, struct nx__buffer *message)
{
    for (;;) {
        enum nx__ws_step step;
        if (!r->in_payload) {
            if (!in->len) return NX__WS_MORE;
            step = head_take(r, in, message->len);
            if (step || !r->in_payload) return step;
        }
        size_t len = r->left < in->len ? (size_t)r->left : in->len;
        if (is_control(r->frame)) {
            (void)nx__ws_mask(r->control + r->control_len, in->data, len, r->mask);
            r->mask = mask_turn(r->mask, len);
            r->control_len = (uint8_t)(r->control_len + len);
        } else {
            step = payload_take(r, in->data, len, message);
            if (step) return step;
        }
        r->left -= len;
        if (len) *in = nx_slice(in->data + len, in->len - len);
        if (r->left) return NX__WS_MORE;
        step = frame_end(r);
        if (step) return step;
    }
}

/* ---- Closing */

bool nx__ws_close_code_valid(unsigned code)
{
    if (code >= 3000) return code < 5000;
    return code >= 1000 && code <= 1014 && code != 1004 && code != NX__WS_CLOSE_NONE &&
           code != NX__WS_CLOSE_ABNORMAL;
}

bool nx__ws_close_read(struct nx__ws_close *close, nx_bytes payload, uint16_t *code)
{
    struct nx__ws_utf8 utf8 = {0};
    *close = (struct nx__ws_close){.code = NX__WS_CLOSE_NONE};
    if (!payload.len) return true;
    *code = NX__WS_CLOSE_PROTOCOL;
    if (payload.len < 2) return false;
    unsigned given = (unsigned)big_endian(payload.data, 2);
    if (!nx__ws_close_code_valid(given)) return false;
    *code = NX__WS_CLOSE_TEXT;
    if (!nx__ws_utf8(&utf8, payload.data + 2, payload.len - 2) || utf8.len) return false;
    close->code = (uint16_t)given;
    close->len = (uint8_t)(payload.len - 2);
    memcpy(close->reason, payload.data + 2, close->len);
    return true;
}

/* ---- Writing */

size_t nx__ws_head(char *head, enum nx__ws_opcode opcode, bool compressed, uint64_t len,
                   const uint32_t *mask)
{
    size_t at = 2, bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    head[0] = (char)(0x80 | (compressed ? 0x40 : 0) | opcode);
    head[1] = (char)((bytes == 0 ? len : bytes == 2 ? 126 : 127) | (mask ? 0x80 : 0));
    for (size_t i = bytes; i--; at++) head[at] = (char)(len >> (8 * i));
    if (mask) {
        memcpy(head + at, mask, 4);
        at += 4;
    }
    return at;
}
