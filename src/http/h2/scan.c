/* The frames that a peer sends, before the session has them: what they cost, and rules that nghttp2
 * leaves to others. */
#include "http/h2/conn.h"

enum {
    FRAME_HEAD = 9,
    PRIORITY_LEN = 5,
    WINDOW_UPDATE_LEN = 4,
    WINDOW_MOST = INT32_MAX,
};

struct frame {
    uint32_t len;
    uint8_t type, flags;
    int32_t id;
    const uint8_t *payload; /* of the two that are looked at */
};

static uint32_t number(const uint8_t *p, int bytes)
{
    uint32_t n = 0;
    while (bytes--) n = n << 8 | *p++;
    return n;
}

static struct frame frame_of(const uint8_t *head)
{
    return (struct frame){.len = number(head, 3),
                          .type = head[3],
                          .flags = head[4],
                          .id = (int32_t)(number(head + 5, 4) & INT32_MAX),
                          .payload = head + FRAME_HEAD};
}

/* How much of a frame has to be there for it to be looked at. */
static size_t wanted(const struct frame *frame)
{
    bool small = (frame->type == NGHTTP2_PRIORITY && frame->len == PRIORITY_LEN) ||
                 (frame->type == NGHTTP2_WINDOW_UPDATE && frame->len == WINDOW_UPDATE_LEN);
    return small ? FRAME_HEAD + frame->len : FRAME_HEAD;
}

void nx__h2_scan_reset(struct nx__h2_scan *scan, int32_t id)
{
    scan->reset[(uint32_t)id / 2 % NX__H2_RESETS] = id;
    if (scan->resets < NX__H2_RESETS) scan->resets++;
}

/* A request that we have reset may still get what was under way (RFC 9113 5.4.2). */
static bool may_be_reset(const struct nx__h2_scan *scan, int32_t id)
{
    return scan->resets == NX__H2_RESETS || scan->reset[(uint32_t)id / 2 % NX__H2_RESETS] == id;
}

static uint32_t cost(const struct frame *frame)
{
    switch (frame->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION: return 0;
    case NGHTTP2_DATA: return frame->len || frame->flags & NGHTTP2_FLAG_END_STREAM ? 0 : 1;
    case NGHTTP2_RST_STREAM: return NX__H2_RESET_COST;
    default: return 1;
    }
}

/* True where the session has to have seen what came before for the frame to be judged. */
static bool needs_state(const struct nx__h2_scan *scan, const struct frame *frame)
{
    switch (frame->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_WINDOW_UPDATE: return true;
    case NGHTTP2_HEADERS: return frame->id <= scan->last;
    default: return false;
    }
}

/* Of a stream that is over nothing comes any more, but what was under way when we reset it (RFC
 * 9113 5.1). */
static int stream_check(struct nx__h2_conn *conn, const struct frame *frame)
{
    const struct nx__h2_scan *scan = &conn->scan;
    if (!(frame->id & 1) || frame->id > scan->last || conn->noticed || conn->last) return 0;
    if (nghttp2_session_find_stream(conn->session, frame->id)) return 0;
    if (may_be_reset(scan, frame->id)) return 0;
    nx__h2_flush(conn); /* the session may be about to reset it */
    if (conn->out.len || may_be_reset(scan, frame->id)) return 0;
    return NGHTTP2_ERR_STREAM_CLOSED;
}

/* Too large a window is an error of the stream alone (RFC 9113 6.9.1); the session would end the
 * connection. True if the frame is not for the session. */
static bool window_overflows(struct nx__h2_conn *conn, const struct frame *frame)
{
    if (!frame->id || frame->len != WINDOW_UPDATE_LEN) return false;
    int32_t window = nghttp2_session_get_stream_remote_window_size(conn->session, frame->id);
    if (window < 0) return false;
    if ((number(frame->payload, 4) & INT32_MAX) <= (uint32_t)(WINDOW_MOST - window)) return false;
    nx__h2_said(conn,
                nghttp2_submit_rst_stream(conn->session, 0, frame->id, NGHTTP2_FLOW_CONTROL_ERROR));
    return true;
}

static int priority_check(const struct frame *frame)
{
    if (!frame->id) return NGHTTP2_ERR_PROTO;
    bool self =
        frame->len == PRIORITY_LEN && (int32_t)(number(frame->payload, 4) & INT32_MAX) == frame->id;
    return self ? NGHTTP2_ERR_PROTO : 0;
}

/* 0, an error, or 1: the frame is not for the session. */
static int check(struct nx__h2_conn *conn, const struct frame *frame)
{
    switch (frame->type) {
    case NGHTTP2_DATA: return stream_check(conn, frame);
    case NGHTTP2_HEADERS:
        if (frame->id <= conn->scan.last) return stream_check(conn, frame);
        conn->scan.last = frame->id;
        return 0;
    case NGHTTP2_PRIORITY: return priority_check(frame);
    case NGHTTP2_WINDOW_UPDATE: return window_overflows(conn, frame);
    default: return 0;
    }
}

static int session_take(struct nx__h2_conn *conn, const uint8_t *data, size_t len)
{
    if (!len) return 0;
    nghttp2_ssize n = nghttp2_session_mem_recv2(conn->session, data, len);
    return n < 0 ? (int)n : conn->flooded ? NGHTTP2_ERR_FLOODED : 0;
}

/* The head of a frame that came in pieces: completed from the bytes, then taken. */
static int head_complete(struct nx__h2_conn *conn, const uint8_t **at, const uint8_t *end)
{
    struct nx__h2_scan *scan = &conn->scan;
    while (*at < end && scan->have < FRAME_HEAD) scan->head[scan->have++] = *(*at)++;
    if (scan->have < FRAME_HEAD) return 0;
    struct frame frame = frame_of(scan->head);
    size_t want = wanted(&frame);
    while (*at < end && scan->have < want) scan->head[scan->have++] = *(*at)++;
    if (scan->have < want) return 0;
    nx__h2_charge(conn, cost(&frame));
    int err = check(conn, &frame);
    scan->have = 0;
    scan->left = frame.len - (uint32_t)(want - FRAME_HEAD);
    if (err) return err > 0 ? 0 : err;
    return session_take(conn, scan->head, want);
}

NX__HOT int nx__h2_feed(struct nx__h2_conn *conn, nx_bytes bytes)
{
    struct nx__h2_scan *scan = &conn->scan;
    const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.len;
    int err = 0;
    if (nx__unlikely(scan->have)) err = head_complete(conn, &at, end);
    const uint8_t *from = at; /* what the session has not got yet */
    if (nx__unlikely(scan->preface)) {
        size_t n = scan->preface < (size_t)(end - at) ? scan->preface : (size_t)(end - at);
        scan->preface = (uint8_t)(scan->preface - n);
        at += n;
    }
    while (!err && at < end) {
        size_t there = (size_t)(end - at);
        if (scan->left) {
            size_t n = scan->left < there ? scan->left : there;
            scan->left -= (uint32_t)n;
            at += n;
            continue;
        }
        struct frame frame = {0};
        size_t want = FRAME_HEAD;
        if (there >= FRAME_HEAD) {
            frame = frame_of(at);
            want = wanted(&frame);
        }
        if (there < want) {
            memcpy(scan->head, at, there);
            scan->have = (uint8_t)there;
            end = at;
            break;
        }
        nx__h2_charge(conn, cost(&frame));
        if (needs_state(scan, &frame)) {
            err = session_take(conn, from, (size_t)(at - from));
            from = at;
            if (err) break;
        }
        err = check(conn, &frame);
        at += want;
        scan->left = frame.len - (uint32_t)(want - FRAME_HEAD);
        if (nx__unlikely(err > 0)) { /* the whole frame is passed over */
            from = at;
            err = 0;
        }
    }
    return err ? err : session_take(conn, from, (size_t)(end - from));
}
