/* Nanoseconds that it takes to parse a request head, with vector instructions and without. */
#include "base/clock.h"
#include "http/h1/parser.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 101, ITERATIONS = 10000 };

typedef enum nx__h1_status parse_fn(const char *buf, size_t len, size_t resume,
                                    const struct nx__h1_limits *limits,
                                    struct nx__h1_header *headers, struct nx__h1_head *head);

static const struct {
    const char *name, *text;
} heads[] = {
    {"wrk", "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
    {"curl",
     "GET /api/items?page=2 HTTP/1.1\r\nHost: localhost:3000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"},
    {"browser",
     "GET /assets/app.js?v=20261124 HTTP/1.1\r\n"
     "Host: www.example.com\r\n"
     "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
     "Accept-Language: en-US,en;q=0.5\r\n"
     "Accept-Encoding: gzip, deflate, br, zstd\r\n"
     "Connection: keep-alive\r\n"
     "Referer: https://www.example.com/articles/42\r\n"
     "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n"
     "Upgrade-Insecure-Requests: 1\r\n"
     "Sec-Fetch-Mode: navigate\r\n\r\n"},
};

/* The quickest of many short rounds: other programs only ever add to it. */
static double measure(parse_fn *parse, const char *text)
{
    const struct nx__h1_limits limits = {NX__H1_DEFAULT_MAX_TARGET, NX__H1_DEFAULT_MAX_HEADERS,
                                         NX__H1_DEFAULT_MAX_HEAD};
    struct nx__h1_header headers[NX__H1_DEFAULT_MAX_HEADERS];
    struct nx__h1_head head;
    size_t len = strlen(text);
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        nx_duration start = nx__clock_monotonic();
        for (int i = 0; i < ITERATIONS; i++) {
            /* The compiler may not assume that it has seen the text before. */
            __asm__ volatile("" : "+r"(text) : : "memory");
            if (parse(text, len, 0, &limits, headers, &head) != NX__H1_DONE) {
                fprintf(stderr, "refused: %s\n", head.reason);
                exit(1);
            }
        }
        double ns = (double)(nx__clock_monotonic() - start) / ITERATIONS;
        if (ns < least) least = ns;
    }
    return least;
}

int main(void)
{
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        printf("h1_parser %-8s %4zu bytes  %6.1f ns  scalar %6.1f ns\n", heads[i].name,
               strlen(heads[i].text), measure(nx__h1_parse, heads[i].text),
               measure(nx__h1_parse_scalar, heads[i].text));
    return 0;
}
