/* Status lines, the date, content types: what every answer carries and nobody wants to format
 * twice. */
#include "http/server.h"

#include "base/clock.h"
#include "date/date.h"
#include <stdio.h>

/* clang-format off */
#define STATUSES(X) \
    X(100, "Continue") X(101, "Switching Protocols") X(200, "OK") X(201, "Created") \
    X(202, "Accepted") X(203, "Non-Authoritative Information") X(204, "No Content") \
    X(205, "Reset Content") X(206, "Partial Content") X(207, "Multi-Status") \
    X(300, "Multiple Choices") X(301, "Moved Permanently") X(302, "Found") X(303, "See Other") \
    X(304, "Not Modified") X(307, "Temporary Redirect") X(308, "Permanent Redirect") \
    X(400, "Bad Request") X(401, "Unauthorized") X(402, "Payment Required") X(403, "Forbidden") \
    X(404, "Not Found") X(405, "Method Not Allowed") X(406, "Not Acceptable") \
    X(407, "Proxy Authentication Required") X(408, "Request Timeout") X(409, "Conflict") \
    X(410, "Gone") X(411, "Length Required") X(412, "Precondition Failed") \
    X(413, "Content Too Large") X(414, "URI Too Long") X(415, "Unsupported Media Type") \
    X(416, "Range Not Satisfiable") X(417, "Expectation Failed") X(418, "I'm a teapot") \
    X(421, "Misdirected Request") X(422, "Unprocessable Content") X(423, "Locked") \
    X(424, "Failed Dependency") X(425, "Too Early") X(426, "Upgrade Required") \
    X(428, "Precondition Required") X(429, "Too Many Requests") \
    X(431, "Request Header Fields Too Large") X(451, "Unavailable For Legal Reasons") \
    X(500, "Internal Server Error") X(501, "Not Implemented") X(502, "Bad Gateway") \
    X(503, "Service Unavailable") X(504, "Gateway Timeout") X(505, "HTTP Version Not Supported") \
    X(507, "Insufficient Storage") X(511, "Network Authentication Required")
/* clang-format on */

enum { PREFIX = sizeof "HTTP/1.1 200 " - 1 };

#define LINE(line)                                                                                 \
    {                                                                                              \
        sizeof(line "\r\n") - 1, line "\r\n"                                                       \
    }

const struct nx__line nx__type_json = LINE("content-type: application/json");
const struct nx__line nx__type_text = LINE("content-type: text/plain; charset=utf-8");
const struct nx__line nx__type_html = LINE("content-type: text/html; charset=utf-8");
const struct nx__line nx__type_events = LINE("content-type: text/event-stream");
const struct nx__line nx__type_bytes = LINE("content-type: application/octet-stream");

NX__HOT const struct nx__line *nx__status_line(int status)
{
    switch (status) {
#define CASE(code, text)                                                                           \
    case code: {                                                                                   \
        static const struct nx__line line = LINE("HTTP/1.1 " #code " " text);                      \
        return &line;                                                                              \
    }
        STATUSES(CASE)
#undef CASE
    default: {
        static NX__THREAD_LOCAL struct nx__line line;
        line.len =
            (uint8_t)snprintf(line.text, sizeof line.text, "HTTP/1.1 %03d \r\n", status % 1000);
        return &line;
    }
    }
}

nx_bytes nx__status_text(int status)
{
    const struct nx__line *line = nx__status_line(status);
    return nx_slice(line->text + PREFIX, (size_t)line->len - PREFIX - 2);
}

static NX__COLD void date_write(struct nx__line *line, nx_duration wall)
{
    char date[NX__HTTP_DATE_LEN + 1];
    bool known = nx__http_date_write(date, wall / NX_S(1));
    int n = known ? snprintf(line->text, sizeof line->text, "date: %s\r\n", date) : 0;
    line->len = n > 0 && (size_t)n < sizeof line->text ? (uint8_t)n : 0;
}

const struct nx__line *nx__date_line(struct nx_loop *loop, nx_duration *until)
{
    static NX__THREAD_LOCAL nx_duration next;
    static NX__THREAD_LOCAL struct nx__line line;
    if (loop->now >= next || !line.len) {
        nx_duration wall = nx__clock_wall();
        date_write(&line, wall);
        next = loop->now + NX_S(1) - wall % NX_S(1);
    }
    *until = next;
    return &line;
}
