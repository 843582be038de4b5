/* WebSocket frames (RFC 6455 5) as a pure state machine: bytes in, messages out. */
#ifndef NX__WS_FRAME_H
#define NX__WS_FRAME_H

#include "base/buffer.h"

enum nx__ws_opcode {
    NX__WS_CONTINUATION = 0,
    NX__WS_TEXT = 1,
    NX__WS_BINARY = 2,
    NX__WS_CLOSE = 8,
    NX__WS_PING = 9,
    NX__WS_PONG = 10,
};

/* Codes of RFC 6455 7.4.1 that we send, or say. */
enum {
    NX__WS_CLOSE_NORMAL = 1000,
    NX__WS_CLOSE_AWAY = 1001,
    NX__WS_CLOSE_PROTOCOL = 1002,
    NX__WS_CLOSE_NONE = 1005,     /* never sent: the peer gave none */
    NX__WS_CLOSE_ABNORMAL = 1006, /* never sent: there was no close frame */
    NX__WS_CLOSE_TEXT = 1007,
    NX__WS_CLOSE_TOO_BIG = 1009,
    NX__WS_CLOSE_FAILED = 1011,
};

enum {
    NX__WS_CONTROL_MOST = 125, /* bytes in a control frame */
    NX__WS_HEAD_MOST = 14,     /* bytes before a payload */
};

/* Text that comes in pieces: what is left of the last one. */
struct nx__ws_utf8 {
    uint8_t len;
    char bytes[3];
};

/* Whether `data` goes on as UTF-8 (RFC 3629); false as soon as it can't become such any more. At
 * the end of the text `state->len` has to be 0. */
bool nx__ws_utf8(struct nx__ws_utf8 *state, const char *data, size_t len);

struct nx__ws_reader {
    /* Set by who uses it. */
    size_t max_message; /* bytes of a message, be they compressed */
    bool masked;        /* frames have to be: we are the server; else they must not */
    bool deflate;       /* the extension was agreed on: RSV1 is allowed */

    /* Of what it has returned. */
    uint8_t opcode;      /* of the control frame; of a message: text or binary */
    bool compressed;     /* the message still is; text is not checked then */
    uint8_t control_len; /* of a control frame's payload */
    uint16_t code;       /* what is wrong, NX__WS_CLOSE_... */
    const char *reason;  /* static */

    /* Its own. */
    bool in_payload, fin, part_compressed;
    uint8_t frame;    /* opcode of the frame */
    uint8_t message;  /* of the message that is under way; 0: none */
    uint8_t head_len; /* bytes of the head that are there */
    struct nx__ws_utf8 utf8;
    uint32_t mask; /* for the next byte on */
    uint64_t left; /* bytes of the payload to come */
    char head[NX__WS_HEAD_MOST];
    char control[NX__WS_CONTROL_MOST];
};

enum nx__ws_step {
    NX__WS_MORE,      /* all input is taken */
    NX__WS_MESSAGE,   /* a message is whole, in the buffer */
    NX__WS_CONTROL,   /* a control frame is there, in `control` */
    NX__WS_BAD,       /* `code` and `reason` say what is wrong; it is over */
    NX__WS_NO_MEMORY, /* so is this */
};

/* Takes from the front of `*in` up to the end of the next message or control frame. Payload of
 * messages goes behind what is in `message`, which the caller empties after each. One byte more
 * than the message has is always there, for a NUL. */
enum nx__ws_step nx__ws_read(struct nx__ws_reader *r, nx_bytes *in, struct nx__buffer *message);

/* What a close frame says. */
struct nx__ws_close {
    uint16_t code; /* NX__WS_CLOSE_NONE: none */
    uint8_t len;
    char reason[NX__WS_CONTROL_MOST - 2];
};

/* Reads the payload of a close frame; false when it is malformed (RFC 6455 5.5.1, 7.4): `*code`
 * says how it is answered. */
bool nx__ws_close_read(struct nx__ws_close *close, nx_bytes payload, uint16_t *code);

/* Whether an endpoint may send this code. */
bool nx__ws_close_code_valid(unsigned code);

/* Writes the head of a frame that ends a message, or is one of control; returns its length. `mask`
 * NULL: it is not masked. `head` holds NX__WS_HEAD_MOST bytes. */
size_t nx__ws_head(char *head, enum nx__ws_opcode opcode, bool compressed, uint64_t len,
                   const uint32_t *mask);

/* Copies `len` bytes with the mask laid over them, beginning with its first byte (RFC 6455 5.3);
 * returns the or of all that came out. Both may be the same memory. */
uint64_t nx__ws_mask(char *out, const char *in, size_t len, uint32_t mask);

#endif
