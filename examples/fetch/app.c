/* Fetches a URL:
 *
 *     nexus run app.c --allow-net=example.com:80 -- http://example.com/
 *     nexus run app.c --allow-net=example.com:80 -- -H "accept: text/html" -d '{"a":1}'
 * http://example.com/ nexus run app.c --allow-net=example.com:80 --allow-read --allow-write -- -o
 * file http://example.com/large
 *
 * What comes goes to the standard output as it comes, decoded; the head with -i. -3 asks by HTTP/3
 * alone. -C names a file of authorities that are trusted instead of the system's. */
#include <nexus/fetch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADERS_MOST = 32 };

struct request {
    const char *url, *method, *data, *file, *ca;
    const char *headers[HEADERS_MOST * 2 + 1];
    size_t headers_count;
    nx_http_version version;
    bool head;
};

static nx_err header_add(struct request *r, const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || r->headers_count == HEADERS_MOST * 2)
        return nx_fail(NX_EUSAGE, "a header is \"name: value\", and there are %d at most",
                       HEADERS_MOST);
    r->headers[r->headers_count++] = nx_copy(nx_slice(text, (size_t)(colon - text)));
    r->headers[r->headers_count++] = nx_copy(nx_str(colon + 1 + strspn(colon + 1, " ")));
    return NX_OK;
}

static nx_err arguments(struct request *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool takes = strlen(word) == 2 && *word == '-' && strchr("CHdoX", word[1]);
        if (takes && !value) return nx_fail(NX_EUSAGE, "%s takes a value", word);
        if (strcmp(word, "-i") == 0)
            r->head = true;
        else if (strcmp(word, "-3") == 0)
            r->version = NX_HTTP_3;
        else if (strcmp(word, "-C") == 0)
            r->ca = value;
        else if (strcmp(word, "-H") == 0)
            NX_TRY(header_add(r, value));
        else if (strcmp(word, "-d") == 0)
            r->data = value;
        else if (strcmp(word, "-o") == 0)
            r->file = value;
        else if (strcmp(word, "-X") == 0)
            r->method = value;
        else if (*word == '-' || r->url)
            return nx_fail(NX_EUSAGE, "what is \"%s\"?", word);
        else
            r->url = word;
        i += takes;
    }
    if (r->url) return NX_OK;
    return nx_fail(NX_EUSAGE,
                   "app.c [-i] [-3] [-C CA] [-X METHOD] [-H HEADER]... [-d BODY] [-o FILE] URL");
}

static void head_print(nx_fetched *res)
{
    nx_bytes name, value, protocol = nx_fetched_protocol(res);
    printf("%.*s %d\n", NX_FMT(protocol), nx_fetched_status(res));
    for (size_t i = 0; nx_fetched_header_at(res, i, &name, &value); i++)
        printf("%.*s: %.*s\n", NX_FMT(name), NX_FMT(value));
    printf("\n");
    fflush(stdout);
}

static nx_err progress(void *arg, uint64_t done, int64_t total)
{
    (void)arg;
    if (total > 0)
        fprintf(stderr, "%llu of %lld bytes\n", (unsigned long long)done, (long long)total);
    else
        fprintf(stderr, "%llu bytes\n", (unsigned long long)done);
    return NX_OK;
}

static nx_err run(int argc, char **argv)
{
    struct request r = {0};
    nx_client *client; /* lasts as long as the program */
    nx_fetched *res;
    NX_TRY(arguments(&r, argc, argv));
    NX_TRY(nx_client_new(&client, .ca = r.ca));
    const nx_fetch_options options = {.size = sizeof options,
                                      .client = client,
                                      .version = r.version,
                                      .method = r.method,
                                      .headers = r.headers,
                                      .text = r.data};
    if (r.file) return nx_download(r.url, r.file, .fetch = &options, .progress = progress);
    NX_TRY(nx_fetch_with(&res, r.url, &options));
    if (r.head) head_print(res);
    NX_TRY(nx_pipe(nx_fetched_stream(res), nx_fd_writer(STDOUT_FILENO, .keep = true)));
    return nx_fetched_ok(res) ? NX_OK
                              : nx_fail(NX_EFAILED, "the answer is %d", nx_fetched_status(res));
}

int main(int argc, char **argv)
{
    nx_err err = run(argc, argv);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
