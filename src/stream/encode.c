/* Base64 and hexadecimal as transforms: what <nexus/encode.h> does, piece by piece. */
#include "encode/encode.h"

#include "base/compiler.h"
#include "stream/stream.h"

#include <stdlib.h>

/* How much is turned at once: a whole number of groups, which are 3 bytes, 4 letters or 2 digits.
 */
enum { PIECE = 48 * 1024, GROUP_MOST = 4 };

struct coding {
    /* Turns some groups, or at the end the beginning of one, and puts them to `out`. */
    nx_err (*turn)(struct coding *c, nx_bytes in, char *out, size_t *len);
    nx_base64_options base64;
    size_t group;
    char held[GROUP_MOST]; /* the beginning of a group */
    size_t held_len;
    uint64_t taken;   /* characters that have been read */
    uint32_t line;    /* characters in a line; 0: there are no lines */
    uint32_t written; /* of the line at hand */
    bool crlf, spaces;
    bool padded; /* a "=" has come, behind which there is nothing */
};

/* ---- The four ways */

/* Puts an end behind each line of the text, which lies at the end of what `out` has room for. */
static size_t lines_break(struct coding *c, char *out, nx_bytes text)
{
    char *at = out;
    while (text.len) {
        size_t n = c->line - c->written;
        if (n > text.len) n = text.len;
        memmove(at, text.data, n);
        at += n;
        text = nx_slice(text.data + n, text.len - n);
        c->written += (uint32_t)n;
        if (c->written < c->line) break;
        if (c->crlf) *at++ = '\r';
        *at++ = '\n';
        c->written = 0;
    }
    return (size_t)(at - out);
}

/* How many ends of lines may come between so many characters, in bytes. */
static size_t breaks(const struct coding *c, size_t len)
{
    return c->line ? (len / c->line + 1) * (c->crlf ? 2 : 1) : 0;
}

static nx_err to_base64(struct coding *c, nx_bytes in, char *out, size_t *len)
{
    char *text = out + breaks(c, NX__BASE64_SIZE(in.len));
    *len = nx__base64_encode(text, in, &c->base64);
    if (c->line) *len = lines_break(c, out, nx_slice(text, *len));
    return NX_OK;
}

static nx_err from_base64(struct coding *c, nx_bytes in, char *out, size_t *len)
{
    if (c->padded)
        return nx__error_set(NX_EINVAL, "the base64 is wrong at character %llu",
                             (unsigned long long)c->taken + 1);
    NX_TRY(nx__base64_decode(out, len, in, c->taken, &c->base64));
    c->taken += in.len;
    c->padded = in.data[in.len - 1] == '=';
    return NX_OK;
}

static nx_err to_hex(struct coding *c, nx_bytes in, char *out, size_t *len)
{
    (void)c;
    *len = nx__hex_encode(out, in);
    return NX_OK;
}

static nx_err from_hex(struct coding *c, nx_bytes in, char *out, size_t *len)
{
    NX_TRY(nx__hex_decode(out, len, in, c->taken));
    c->taken += in.len;
    return NX_OK;
}

/* ---- Piece by piece */

static nx_err turn(struct coding *c, nx_bytes in, nx_stream *next)
{
    size_t size = NX__BASE64_SIZE(in.len), len;
    void *room;
    if (size < NX__HEX_SIZE(in.len)) size = NX__HEX_SIZE(in.len);
    NX_TRY(nx_stream_room(next, size + breaks(c, size), &room));
    NX_TRY(c->turn(c, in, room, &len));
    return nx_stream_commit(next, len);
}

/* Fills the group that has begun. */
static nx_bytes hold(struct coding *c, nx_bytes in)
{
    size_t n = c->group - c->held_len;
    if (n > in.len) n = in.len;
    if (n) memcpy(c->held + c->held_len, in.data, n);
    c->held_len += n;
    return nx_slice(in.data + n, in.len - n);
}

static nx_err groups_turn(struct coding *c, nx_bytes in, nx_stream *next)
{
    if (c->held_len) {
        in = hold(c, in);
        if (c->held_len < c->group) return NX_OK;
        c->held_len = 0;
        NX_TRY(turn(c, nx_slice(c->held, c->group), next));
    }
    while (in.len >= c->group) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a group has bytes */
        size_t n = in.len - in.len % c->group;
        if (n > PIECE) n = PIECE;
        NX_TRY(turn(c, nx_slice(in.data, n), next));
        in = nx_slice(in.data + n, in.len - n);
    }
    (void)hold(c, in);
    return NX_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static nx_err code(void *state, nx_bytes in, nx_stream *next)
{
    struct coding *c = state;
    if (!c->spaces) return groups_turn(c, in, next);
    /* Of what is between the spaces. */
    while (in.len) {
        size_t n = 0;
        while (n < in.len && !is_space(in.data[n])) n++;
        if (n) NX_TRY(groups_turn(c, nx_slice(in.data, n), next));
        while (n < in.len && is_space(in.data[n])) n++;
        in = nx_slice(in.data + n, in.len - n);
    }
    return NX_OK;
}

static nx_err code_finish(void *state, nx_stream *next)
{
    struct coding *c = state;
    if (c->held_len) NX_TRY(turn(c, nx_slice(c->held, c->held_len), next));
    return c->written ? nx_stream_write(next, nx_str(c->crlf ? "\r\n" : "\n")) : NX_OK;
}

static nx_stream *coding_new(const char *name, struct coding with)
{
    const nx_stream_type type = {
        .size = sizeof type, .name = name, .transform = code, .finish = code_finish, .close = free};
    struct coding *c = malloc(sizeof *c);
    if (!c) return nx__stream_no_memory();
    *c = with;
    return nx_stream_new(&type, c);
}

nx_stream *nx_base64_encoder_with(const nx_base64_stream_options *options)
{
    NX__OPTIONS(nx_base64_stream_options, o, options);
    return coding_new("a base64 encoder",
                      (struct coding){.turn = to_base64,
                                      .base64 = {.url = o.url, .no_padding = o.no_padding},
                                      .group = 3,
                                      .line = o.line,
                                      .crlf = o.crlf});
}

nx_stream *nx_base64_decoder_with(const nx_base64_stream_options *options)
{
    NX__OPTIONS(nx_base64_stream_options, o, options);
    return coding_new("a base64 decoder",
                      (struct coding){.turn = from_base64,
                                      .base64 = {.url = o.url, .no_padding = o.no_padding},
                                      .group = 4,
                                      .spaces = o.spaces});
}

nx_stream *nx_hex_encoder(void)
{
    return coding_new("a hexadecimal encoder", (struct coding){.turn = to_hex, .group = 1});
}

nx_stream *nx_hex_decoder(void)
{
    return coding_new("a hexadecimal decoder", (struct coding){.turn = from_hex, .group = 2});
}
