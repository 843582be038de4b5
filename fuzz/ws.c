/* WebSocket frames: in whatever pieces they come, the same messages are read, or the same is wrong;
 * compressed ones are decompressed within their cap, and what is compressed comes back. The first
 * byte chooses the side, compression and the pieces; a client's answer is read of the same bytes.
 */
#include "memory.h"
#include "ws/deflate.h"
#include "ws/frame.h"
#include "ws/handshake.h"
#include <stdlib.h>

enum { MESSAGE_MOST = 4096 };

struct seen {
    uint64_t sum; /* of all that was read, in its order */
    uint64_t count;
    enum nx__ws_step step;
    unsigned code;
};

static void add(struct seen *seen, unsigned kind, const char *data, size_t len)
{
    seen->count++;
    seen->sum = seen->sum * 31 + kind;
    for (size_t i = 0; i < len; i++) seen->sum = seen->sum * 31 + (unsigned char)data[i];
}

static void packed_check(struct nx__ws_inflater *inflater, const struct nx__buffer *message)
{
    struct nx__buffer plain = {0};
    nx_err err =
        nx__ws_inflate(inflater, nx_slice(message->data, message->len), &plain, MESSAGE_MOST, true);
    check(err == NX_OK || err == NX_EPROTO || err == NX_ETOOBIG || err == NX_ENOMEM);
    check(plain.capacity <= MESSAGE_MOST + 2);
    if (!err) check(plain.len <= MESSAGE_MOST && plain.capacity > plain.len);
    nx__buffer_free(&plain);
}

static struct seen read_all(const char *data, size_t size, unsigned how, size_t piece,
                            struct nx__ws_inflater *inflater)
{
    struct nx__ws_reader r = {.max_message = MESSAGE_MOST, .masked = how & 1, .deflate = how & 2};
    struct nx__buffer message = {0};
    struct seen seen = {.step = NX__WS_MORE};
    for (size_t at = 0; at < size && seen.step < NX__WS_BAD; at += piece) {
        nx_bytes in = nx_slice(data + at, size - at < piece ? size - at : piece);
        while ((seen.step = nx__ws_read(&r, &in, &message)) == NX__WS_MESSAGE ||
               seen.step == NX__WS_CONTROL) {
            bool whole = seen.step == NX__WS_MESSAGE;
            check(message.len <= MESSAGE_MOST);
            if (whole) {
                struct nx__ws_utf8 utf8 = {0};
                check(message.capacity > message.len);
                add(&seen, r.opcode | (r.compressed ? 0x40u : 0), message.data, message.len);
                if (r.compressed)
                    packed_check(inflater, &message);
                else if (r.opcode == NX__WS_TEXT)
                    check(nx__ws_utf8(&utf8, message.data, message.len) && !utf8.len);
                message.len = 0;
            } else {
                struct nx__ws_close close;
                uint16_t code = 0;
                check(r.control_len <= NX__WS_CONTROL_MOST);
                add(&seen, r.opcode, r.control, r.control_len);
                if (r.opcode == NX__WS_CLOSE &&
                    !nx__ws_close_read(&close, nx_slice(r.control, r.control_len), &code))
                    check(code == NX__WS_CLOSE_PROTOCOL || code == NX__WS_CLOSE_TEXT);
            }
        }
        check(seen.step != NX__WS_MORE || !in.len);
    }
    if (seen.step == NX__WS_BAD) seen.code = r.code;
    nx__buffer_free(&message);
    return seen;
}

static void there_and_back(struct nx__ws_deflater *deflater, struct nx__ws_inflater *inflater,
                           nx_bytes data)
{
    struct nx__buffer packed = {0}, plain = {0};
    if (nx__ws_deflate(deflater, data, &packed, true) == NX_OK) {
        check(nx__ws_inflate(inflater, nx_slice(packed.data, packed.len), &plain, data.len, true) ==
              NX_OK);
        check(nx_bytes_eq(nx_slice(plain.data, plain.len), data));
    }
    nx__buffer_free(&packed);
    nx__buffer_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx__ws_inflater *inflater;
    static struct nx__ws_deflater *deflater;
    if (!inflater) inflater = nx__ws_inflater_new(NX__WS_BITS_MOST);
    if (!deflater) deflater = nx__ws_deflater_new(NX__WS_BITS_LEAST);
    if (!size || !inflater || !deflater) return 0;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;
    struct seen whole = read_all(bytes, len, data[0], len + 1, inflater);
    struct seen parts = read_all(bytes, len, data[0], 1 + (data[0] >> 2) % 16, inflater);
    check(whole.sum == parts.sum && whole.count == parts.count && whole.code == parts.code);
    there_and_back(deflater, inflater, nx_slice(bytes, len));
    struct nx__ws_answer answer;
    struct nx__ws_deflate agreed;
    const struct nx__ws_deflate_wish wish = {.fresh = data[0] & 1, .max_bits = 15};
    if (nx__ws_answer_read(&answer, nx_slice(bytes, len))) {
        check(answer.status >= 0 && answer.status <= 999);
        (void)nx__ws_deflate_agree(&agreed, answer.extensions, &wish);
    }
    if (nx__ws_deflate_accept(&agreed, nx_slice(bytes, len), &wish))
        check(agreed.server_bits >= NX__WS_BITS_LEAST && agreed.server_bits <= NX__WS_BITS_MOST &&
              agreed.client_bits >= NX__WS_BITS_LEAST && agreed.client_bits <= NX__WS_BITS_MOST);
    (void)nx__ws_origin_allowed("https://a.example, https://*.b.example", nx_slice(bytes, len));
    return 0;
}
