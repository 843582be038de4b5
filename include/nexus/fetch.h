/* The HTTP client.
 *
 *     nx_fetched *answer;
 *     nx_bytes text;
 *     NX_TRY(nx_fetch(&answer, "http://example.com/items", .json = nx_obj("name", "tea")));
 *     NX_TRY(nx_fetched_text(answer, &text));
 *
 * An answer is memory of the current scope, and what it holds is closed with that; in a long loop
 * open one for each turn (nx_scope_open). Any status is an answer and no error. Hosts take a grant
 * (--allow-net=HOST:PORT), as do those that a redirect leads to, and a proxy. */
#ifndef NEXUS_FETCH_H
#define NEXUS_FETCH_H

#include <nexus/base.h>
#include <nexus/json.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_fetched nx_fetched;
typedef struct nx_client nx_client;
typedef struct nx_cookie_jar nx_cookie_jar;

/* ---- Asking */

/* One part of a form with files (RFC 7578). */
typedef struct nx_fetch_part {
    const char *name;
    const char *file_name; /* NULL: it is no file */
    const char *type;      /* its content-type; of a file "application/octet-stream" */
    nx_bytes data;         /* what it holds, or: */
    nx_stream *source;     /* what gives it; closed, whatever happens */
} nx_fetch_part;

/* What is spoken. */
typedef enum nx_http_version {
    NX_HTTP_ANY, /* what both can: over TLS as agreed (ALPN), and HTTP/3 where the server has said
                    that it has it (Alt-Svc), as long as that can be reached; without TLS HTTP/1.1
                  */
    NX_HTTP_1,   /* HTTP/1.1 */
    NX_HTTP_2,   /* HTTP/2: over TLS NX_EPROTO where the server has it not; without TLS the server
                    is known to have it ("prior knowledge", RFC 9113 3.3) */
    NX_HTTP_3,   /* HTTP/3, at the UDP port of the URL's number, where the server is known to have
                    it: only "https:", and through no proxy (NX_ENOTSUP) */
} nx_http_version;

/* Zero means the default, which is named in the comment. */
typedef struct nx_fetch_options {
    size_t size;
    nx_client *client;          /* whose connections, cookies and proxy; the thread's own, without a
                                   cookie jar */
    const char *method;         /* "GET", with a body "POST" */
    const char *const *headers; /* names and values in turn: NX_HEADERS("accept", "text/html") */
    /* One of these is the body. All but `source` may be sent again, after a redirect or for want
     * of an answer. */
    nx_bytes body;
    const char *text;           /* as text/plain */
    nx_value json;              /* as application/json */
    nx_value form;              /* an object, as application/x-www-form-urlencoded */
    const nx_fetch_part *parts; /* as multipart/form-data */
    size_t part_count;
    nx_stream *source; /* read in a fiber of its own, also while the answer is; closed, whatever
                          happens, with the answer at the latest */
    uint64_t source_length; /* bytes that it gives; 0: unknown, it is sent in chunks */
    const char *type;       /* the body's content-type; what goes with its kind */

    nx_duration deadline;         /* from the call to the end of the answer's body; none */
    nx_duration connect_deadline; /* for a connection, 10 s */
    nx_duration head_deadline;    /* from the end of the request to the answer's head, 60 s */
    nx_duration idle_deadline;    /* between two pieces, either way, 60 s */
    uint32_t redirects;      /* that are followed, 20; past them NX_ELIMIT. NX_FETCH_NO_REDIRECTS:
                                they are answers as others are */
    uint32_t retries;        /* how often it is tried again where there was no connection or no
                                answer, or 429, 502, 503 or 504 was it; only with a method that may be
                                repeated (RFC 9110 9.2.2). None */
    nx_duration retry_delay; /* before the first; doubled for each, and shortened by chance by up
                                to a half; 200 ms. A Retry-After field goes before it */
    nx_duration retry_delay_max; /* 10 s: an answer that asks for longer is the answer */
    uint64_t max_body;           /* bytes of a body that is read whole, decoded; 64 MiB */
    uint32_t max_ratio;          /* a body may grow to so many times its size, past 64 KiB; 100 */
    uint32_t max_head; /* bytes of the answer's head; 64 KiB less one, which is also the most */
    bool raw;          /* the body is given as it comes: nothing is asked for and decoded (gzip,
                          br, zstd) */
    const char *unix_socket; /* the path of a Unix socket to ask, whatever the URL's host */
    nx_http_version version; /* NX_HTTP_ANY */
} nx_fetch_options;

#define NX_FETCH_NO_REDIRECTS UINT32_MAX
#define NX_HEADERS(...)       ((const char *const[]){__VA_ARGS__, NULL})

/* Asks, and waits for the head of the answer. It may come while `source` is still sent: an answer
 * that refuses it (a status from 300 on) ends that, others are read meanwhile, and at their end
 * what is left of the request goes first where the connection goes on for it (RFC 9112 9.3); HTTP/2
 * resets the rest (RFC 9113 8.1). The URL is absolute, "http:" or "https:"; a user and
 * a password in it go as Authorization. NX_EINVAL (the URL, a header, a body that can't be made),
 * NX_EPERM (--allow-net), NX_ENONAME, NX_EREFUSED, NX_EUNREACH, NX_ERESET (no answer),
 * NX_ETIMEDOUT, NX_EPROTO (an answer that is no good HTTP), NX_ELIMIT (redirects), NX_ETOOBIG,
 * NX_ENOTSUP, NX_ECANCELED, NX_ENOMEM, NX_EMFILE, and errors of `source`. Suspends.
 *
 * Connections are kept and used again. One that the peer has closed meanwhile is not noticed
 * before something is sent; then a method that may be repeated is, once. */
NX_API NX_MUST_CHECK nx_err nx_fetch_with(nx_fetched **out, const char *url,
                                          const nx_fetch_options *options);
#define NX_FETCH_OPTIONS(...)                                                                      \
    &(nx_fetch_options)                                                                            \
    {                                                                                              \
        .size = sizeof(nx_fetch_options), __VA_ARGS__                                              \
    }
#define nx_fetch(out, url, ...) nx_fetch_with((out), (url), NX_FETCH_OPTIONS(__VA_ARGS__))

/* ---- The answer. None of the first ones suspends; what they return lasts as long as the answer.
 */

NX_API int nx_fetched_status(const nx_fetched *answer);
/* Whether the status is one of success, 200 to 299. */
NX_API bool nx_fetched_ok(const nx_fetched *answer);
/* The first header field of that name, whatever its case; `data` is NULL if there is none. */
NX_API nx_bytes nx_fetched_header(const nx_fetched *answer, const char *name);
/* How many header fields there are, and field number `index` as it came; false past the end. */
NX_API size_t nx_fetched_header_count(const nx_fetched *answer);
NX_API bool nx_fetched_header_at(const nx_fetched *answer, size_t index, nx_bytes *name,
                                 nx_bytes *value);
/* A trailer field, once the body has been read to its end. */
NX_API nx_bytes nx_fetched_trailer(const nx_fetched *answer, const char *name);
/* Where the answer comes from, after redirects, without user and password; and how many there were.
 */
NX_API nx_bytes nx_fetched_url(const nx_fetched *answer);
NX_API uint32_t nx_fetched_redirects(const nx_fetched *answer);
/* "HTTP/1.1", "HTTP/2", "HTTP/3" */
NX_API nx_bytes nx_fetched_protocol(const nx_fetched *answer);
/* Bytes of the body as it comes, where the peer has said so; else -1. */
NX_API int64_t nx_fetched_length(const nx_fetched *answer);

/* Reads the whole body, decoded, as memory of the answer with a NUL behind; calling it again gives
 * the same. NX_ETOOBIG (max_body, max_ratio), NX_EPROTO (cut off, damaged), NX_ENOTSUP (an encoding
 * that is not known), NX_ETIMEDOUT, NX_ERESET, NX_ENOMEM, NX_ECANCELED, NX_ESTATE (read in pieces
 * already, or closed). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_fetched_body(nx_fetched *answer, nx_bytes *body);
/* The same as text: NX_EPROTO where it is no UTF-8. */
NX_API NX_MUST_CHECK nx_err nx_fetched_text(nx_fetched *answer, nx_bytes *text);
/* The same as JSON, in memory of the current scope: NX_EINVAL with line and column. */
NX_API NX_MUST_CHECK nx_err nx_fetched_json(nx_fetched *answer, nx_json *out);

/* Reads the next piece as it comes, decoded: `*piece` lasts until the next call; it is empty at the
 * end. The peer is held back while nobody reads. Errors as nx_fetched_body but for max_body.
 * Suspends. */
NX_API NX_MUST_CHECK nx_err nx_fetched_read(nx_fetched *answer, nx_bytes *piece);
/* The same as a source, for nx_pipe and its like. */
NX_API nx_stream *nx_fetched_stream(nx_fetched *answer);

/* Closes it before its scope does: what has not been read of the body is given up, and what has not
 * been sent of the request's, and with it the connection. Status and fields stay. No other fiber
 * may be reading it. NULL is nothing. Suspends where a `source` is still read, until that has been
 * cancelled. */
NX_API void nx_fetched_close(nx_fetched *answer);
static inline void nx_fetched_auto(nx_fetched **answer)
{
    nx_fetched_close(*answer);
    *answer = NULL;
}

/* ---- Downloads */

/* How far it is: bytes of the file that are there, and of all of it, -1 where that is unknown. What
 * it returns ends the download. */
typedef nx_err (*nx_download_fn)(void *arg, uint64_t done, int64_t total);

typedef struct nx_download_options {
    size_t size;
    const nx_fetch_options *fetch; /* NX_FETCH_OPTIONS(.headers = …); without a body */
    nx_download_fn progress;       /* called for each piece, at most so often: */
    nx_duration progress_every;    /* 100 ms; the last call comes always */
    void *arg;
    uint32_t resumes;  /* how often it goes on where it was cut off, 5 */
    uint64_t max_size; /* bytes of the file; NX_ETOOBIG past them. Any number */
    bool fresh;        /* what an earlier call has left is not gone on with */
} nx_download_options;

/* Fetches into a file, which appears, or is replaced, once all of it is there. Until then it is
 * PATH.part, with PATH.part.of that says of which version it is a part: a later call goes on where
 * this one has ended, if the server still has that version and gives parts (RFC 9110 14). A status
 * other than 200 and 206 is NX_EFAILED (404: NX_ENOENT). Errors as nx_fetch, nx_fetched_read and
 * nx_fs_open (--allow-write, --allow-read). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_download_with(const char *url, const char *path,
                                             const nx_download_options *options);
#define nx_download(url, path, ...)                                                                \
    nx_download_with((url), (path),                                                                \
                     &(nx_download_options){.size = sizeof(nx_download_options), __VA_ARGS__})

/* ---- Clients: what requests share */

/* Zero means the default, which is named in the comment. */
typedef struct nx_client_options {
    size_t size;
    nx_cookie_jar *cookies; /* keeps and sends them; stays the caller's. None */
    const char *proxy;      /* "http://user:password@proxy:3128", for all requests; "": none. NULL:
                               what the environment says, cf. below */
    const char *no_proxy;   /* hosts that are asked without: "localhost,.example.com,10.0.0.0/8";
                               NULL: NO_PROXY */
    const char *user_agent; /* "nexus/VERSION"; "": the field is not sent */
    const char *ca; /* authorities that are trusted instead of the system's: a file, or PEM */
    const char *cert, *key; /* shown to a server that asks for a certificate */
    bool insecure;          /* any certificate will do: anybody may read and change what is sent */
    uint32_t max_per_host;  /* connections to one origin, 64; more requests wait for one */
    uint32_t max_connections; /* in all, 512 */
    nx_duration keep_alive;   /* how long an idle connection is kept, 30 s */
} nx_client_options;

/* Makes a client, for requests of the calling thread; the caller frees it when all answers are
 * closed. Without .proxy it goes by HTTP_PROXY or http_proxy for http:, HTTPS_PROXY or https_proxy
 * for https:, and NO_PROXY or no_proxy, as far as --allow-env grants them; one of another kind than
 * http:// is none. NX_EINVAL (.proxy), NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_client_new_with(nx_client **out, const nx_client_options *options);
#define nx_client_new(out, ...)                                                                    \
    nx_client_new_with((out), &(nx_client_options){.size = sizeof(nx_client_options), __VA_ARGS__})
/* Closes its connections, and frees it. No fetch of its is under way, and its answers are closed or
 * read to their end. NULL is nothing. */
NX_API void nx_client_free(nx_client *client);
static inline void nx_client_auto(nx_client **client)
{
    nx_client_free(*client);
    *client = NULL;
}

/* Closes the connections that are idle now; NULL: of the thread's own client. */
NX_API void nx_client_close_idle(nx_client *client);

/* ---- Cookies (RFC 6265)
 *
 * A jar holds NX_COOKIES_MOST cookies, of one host NX_COOKIES_PER_HOST; those that have not been
 * sent for longest give way. There is no list of public suffixes in it: a Domain without a dot, one
 * such as "co.uk" (a country's, behind a word that many countries use so) and a host's address are
 * refused, and other suffixes are not known. */

#define NX_COOKIES_MOST     3000
#define NX_COOKIES_PER_HOST 100
#define NX_COOKIE_SIZE_MOST 4096 /* bytes of name, value and attributes */

/* Makes an empty jar. NX_ENOMEM. It is for the fibers of one thread. None of these suspends but for
 * loading and saving. */
NX_API NX_MUST_CHECK nx_err nx_cookie_jar_new(nx_cookie_jar **out);
NX_API void nx_cookie_jar_free(nx_cookie_jar *jar);
static inline void nx_cookie_jar_auto(nx_cookie_jar **jar)
{
    nx_cookie_jar_free(*jar);
    *jar = NULL;
}

/* Takes a Set-Cookie field of an answer from this URL. NX_EINVAL where it is refused (the reason is
 * in nx_error_last()), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_cookie_jar_set(nx_cookie_jar *jar, const char *url,
                                              nx_bytes set_cookie);
/* The Cookie field for a request to this URL, in memory of the current scope; empty where there is
 * none. NX_EINVAL (the URL), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_cookie_jar_get(nx_cookie_jar *jar, const char *url, nx_bytes *out);
/* The cookies in it, those that have expired left out; and all of them gone. */
NX_API size_t nx_cookie_jar_count(nx_cookie_jar *jar);
NX_API void nx_cookie_jar_clear(nx_cookie_jar *jar);

/* Reads cookies from a file, and writes them, in the format of cookies.txt that browsers' tools and
 * curl have; with those that end with the session. A file that is not there holds none. Lines that
 * are none are passed over. Errors as nx_fs_read_file and nx_fs_write_file. Suspend. */
NX_API NX_MUST_CHECK nx_err nx_cookie_jar_load(nx_cookie_jar *jar, const char *path);
NX_API NX_MUST_CHECK nx_err nx_cookie_jar_save(nx_cookie_jar *jar, const char *path);

#ifdef __cplusplus
}
#endif

#endif
