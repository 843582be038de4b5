/* The wire form of server-sent events, held against a reader by the letter of the HTML standard. */
#include "http/events.h"
#include <nexus/test.h>

static const char *written(nx_event event)
{
    struct nx__buffer json = {0};
    nx_bytes data;
    if (nx__event_data(&event, &json, &data)) return NULL;
    size_t len = nx__event_write(&event, data, NULL, 0);
    char *text = nx_alloc(len + 1);
    nx_expect_eq(nx__event_write(&event, data, text, len), len);
    text[len] = '\0';
    /* Into less room: as far as it reaches. */
    char *part = nx_alloc(len + 1);
    for (size_t cap = 0; cap < len; cap += 1 + cap / 4) {
        memset(part, '#', len + 1);
        nx_expect_eq(nx__event_write(&event, data, part, cap), len);
        nx_expect(memcmp(part, text, cap) == 0 && part[cap] == '#');
    }
    nx__buffer_free(&json);
    return text;
}
#define EVENT(...) written((nx_event){__VA_ARGS__})

NX_TEST("fields are lines, and a blank one ends the event")
{
    nx_expect_eq(EVENT(.data = "hello"), "data: hello\n\n");
    nx_expect_eq(EVENT(.data = ""), "data: \n\n");
    nx_expect_eq(EVENT(.data = " two spaces  "), "data:  two spaces  \n\n");
    nx_expect_eq(EVENT(.event = "a", .data = "b", .id = "c", .retry = NX_S(2)),
                 "event: a\nid: c\nretry: 2000\ndata: b\n\n");
    nx_expect_eq(EVENT(.id = ""), "id: \n\n");
    nx_expect_eq(EVENT(.retry = 1), "retry: 0\n\n");
    nx_expect_eq(EVENT(.retry = NX_FOREVER), "retry: 9223372036854\n\n");
    nx_expect_eq(EVENT(.event = "ping"), "event: ping\ndata: \n\n"); /* else it would be dropped */
    nx_expect_eq(EVENT(.comment = "a\r\nb"), ": a\n: b\n\n");
    nx_expect_eq(EVENT(.json = nx_obj("a", 1)), "data: {\"a\":1}\n\n");
    nx_expect_eq(EVENT(.json = nx_raw(nx_str("{\n}"))), "data: {\ndata: }\n\n");
    nx_expect_eq(EVENT(.bytes = nx_slice("ab", 1)), "data: a\n\n");
    nx_expect_eq(EVENT(.size = 0), "");
}

NX_TEST("LF, CR and CRLF end a line of data")
{
    nx_expect_eq(EVENT(.data = "a\nb"), "data: a\ndata: b\n\n");
    nx_expect_eq(EVENT(.data = "a\rb"), "data: a\ndata: b\n\n");
    nx_expect_eq(EVENT(.data = "a\r\nb"), "data: a\ndata: b\n\n");
    nx_expect_eq(EVENT(.data = "a\n\rb"), "data: a\ndata: \ndata: b\n\n");
    nx_expect_eq(EVENT(.data = "\n"), "data: \ndata: \n\n");
    nx_expect_eq(EVENT(.data = "a\r"), "data: a\ndata: \n\n");
    nx_expect_eq(EVENT(.data = "x\n\ndata: y\nid: 1"),
                 "data: x\ndata: \ndata: data: y\ndata: id: 1\n\n");
}

NX_TEST("what a line can't hold is refused")
{
    static const char *const bad[] = {"a\n", "\r", "a\r\nb", "\x01", "\x7f", "tab\t"};
    nx_bytes data;
    struct nx__buffer json = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_expect_err(NX_EINVAL, nx__event_data(&(nx_event){.event = bad[i]}, &json, &data));
        nx_expect_err(NX_EINVAL, nx__event_data(&(nx_event){.id = bad[i]}, &json, &data));
    }
    char id[NX_EVENT_MAX_ID + 2];
    memset(id, 'i', sizeof id);
    id[NX_EVENT_MAX_ID + 1] = '\0';
    nx_expect_err(NX_EINVAL, nx__event_data(&(nx_event){.id = id}, &json, &data));
    nx_expect_ok(nx__event_data(&(nx_event){.id = id + 1}, &json, &data));
    nx_expect_ok(nx__event_data(&(nx_event){.id = "gr\xc3\xbc\xc3\x9f"}, &json, &data));
    nx_expect_err(NX_EINVAL, nx__event_data(&(nx_event){.retry = -1}, &json, &data));
    nx_expect_err(NX_EINVAL,
                  nx__event_data(&(nx_event){.data = "", .bytes = nx_str("")}, &json, &data));
    nx_expect_err(NX_EINVAL,
                  nx__event_data(&(nx_event){.data = "", .json = nx_val(1)}, &json, &data));
    nx_expect_err(NX_EINVAL, nx__event_data(&(nx_event){.json = nx_val("\xff")}, &json, &data));
    nx_expect(json.data == NULL);
}

/* What a peer makes of one event (HTML standard, 9.2.6). */
struct heard {
    nx_bytes event, id, data;
    int dispatched;
};

static struct heard hear(nx_bytes text)
{
    struct heard heard = {0};
    char *data = nx_alloc(text.len + 1);
    size_t data_len = 0, at = 0;
    while (at < text.len) {
        size_t end = at;
        while (end < text.len && text.data[end] != '\n' && text.data[end] != '\r') end++;
        nx_bytes line = nx_slice(text.data + at, end - at);
        at = end + 1;
        if (end + 1 < text.len && text.data[end] == '\r' && text.data[end + 1] == '\n') at++;
        if (!line.len) {
            heard.dispatched += data_len != 0;
            heard.data = nx_slice(data, data_len ? data_len - 1 : 0);
            continue;
        }
        const char *colon = memchr(line.data, ':', line.len);
        size_t name = colon ? (size_t)(colon - line.data) : line.len;
        size_t value = colon ? name + 1 : line.len;
        if (value < line.len && line.data[value] == ' ') value++;
        nx_bytes field = nx_slice(line.data, name);
        nx_bytes rest = nx_slice(line.data + value, line.len - value);
        if (nx_bytes_is(field, "event")) heard.event = rest;
        if (nx_bytes_is(field, "id")) heard.id = rest;
        if (nx_bytes_is(field, "data")) {
            memcpy(data + data_len, rest.data, rest.len);
            data_len += rest.len;
            data[data_len++] = '\n';
        }
    }
    return heard;
}

NX_TEST("a peer hears what was said, whatever it was")
{
    static const char letters[] = "\n\r\n\r: aid\0\xff\xe2";
    uint32_t seed = 1;
    for (int round = 0; round < 5000; round++) {
        char said[24], plain[24];
        size_t len = (seed = seed * 1664525 + 1013904223) >> 27, plain_len = 0;
        if (len > sizeof said) len = sizeof said;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            said[i] = letters[(seed >> 16) % (sizeof letters - 1)];
        }
        for (size_t i = 0; i < len; i++) { /* every line break is LF to the peer */
            if (said[i] == '\n' && i && said[i - 1] == '\r') continue;
            plain[plain_len++] = (char)(said[i] == '\r' ? '\n' : said[i]);
        }
        nx_event event = {
            .event = "e", .id = " 1", .bytes = nx_slice(said, len), .comment = "c\nid: 2"};
        char text[512];
        size_t size = nx__event_write(&event, event.bytes, text, sizeof text);
        struct heard heard = hear(nx_slice(text, size));
        nx_expect_eq(heard.dispatched, 1);
        nx_expect_eq(heard.event, "e");
        nx_expect_eq(heard.id, " 1");
        if (!nx_expect_eq(heard.data, nx_slice(plain, plain_len))) break;
    }
}
