/* Values as a reader writes them. */
#include "test/process.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MOST = 200 /* bytes of one string */ };

/* A failure that can't be told whole is still told: what there is no memory for is left out. */
#define PUT(...) NX_IGNORE(nx__buffer_printf(out, NX__TEST_MESSAGE_MOST, __VA_ARGS__))

size_t nx__test_escape(struct nx__buffer *out, const char *at, const char *end)
{
    static const char from[] = "\n\t\r\"\\\033", to[] = "ntr\"\\e";
    const char *special = memchr(from, *at, sizeof from - 1);
    size_t len = nx__utf8_sequence(at, end);
    if (*at && special)
        PUT("\\%c", to[special - from]);
    else if (!len || (unsigned char)*at < ' ' || *at == 0x7f)
        PUT("\\x%02x", (unsigned char)*at);
    else
        NX_IGNORE(nx__buffer_append(out, at, len, NX__TEST_MESSAGE_MOST));
    return len ? len : 1;
}

void nx__test_quote(struct nx__buffer *out, nx_bytes text, size_t most)
{
    PUT("\"");
    const char *at = text.data, *end = at + text.len;
    const char *stop = text.len > most ? at + most : end;
    while (at < stop) at += nx__test_escape(out, at, end);
    PUT(at < end ? "\"... (%zu bytes)" : "\"", text.len);
}

static void show_real(struct nx__buffer *out, double d)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) break;
    }
    PUT("%s", text);
    if (isfinite(d) && !strpbrk(text, ".e")) PUT(".0");
}

void nx__test_show(struct nx__buffer *out, nx_test_value v)
{
    switch (v.kind) {
    case NX_TEST_BOOL: PUT(v.as.integer ? "true" : "false"); break;
    case NX_TEST_CHAR: {
        char c = (char)v.as.integer;
        PUT("%d", c);
        if (c > ' ' && c < 0x7f) PUT(" '%c'", c);
        break;
    }
    case NX_TEST_INT: PUT("%lld", v.as.integer); break;
    case NX_TEST_UINT: PUT("%llu", v.as.uinteger); break;
    case NX_TEST_REAL: show_real(out, v.as.real); break;
    case NX_TEST_STRING:
    case NX_TEST_BYTES:
        if (v.as.bytes.data)
            nx__test_quote(out, v.as.bytes, SHOWN_MOST);
        else
            PUT("NULL");
        break;
    default:
        if (v.as.pointer)
            PUT("%#" PRIxPTR, (uintptr_t)v.as.pointer);
        else
            PUT("NULL");
    }
}
