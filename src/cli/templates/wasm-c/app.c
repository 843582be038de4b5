/* Greets who is named, and prints what a URL leads to. */
#include "nexus-guest.h"
#include <stdio.h>
#include <string.h>

static int fetch(const char *url)
{
    char piece[4096];
    int32_t n, answer = nexus_http_fetch(url, strlen(url));
    if (answer < 0) {
        n = nexus_error(piece, sizeof piece);
        if (n > (int32_t)sizeof piece) n = sizeof piece; /* there was more to say */
        fprintf(stderr, "%.*s\n", (int)n, piece);
        return 1;
    }
    while ((n = nexus_read(answer, piece, sizeof piece)) > 0) fwrite(piece, 1, (size_t)n, stdout);
    nexus_close(answer);
    return n < 0;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "world";
    if (strncmp(word, "http", 4) == 0) return fetch(word);
    printf("Hello, %s!\n", word);
    return 0;
}
