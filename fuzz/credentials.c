/* Credentials: who is let in has said exactly that. The input is header fields, among them
 * Authorization, for Basic and Bearer. libcrypto's base64 decides what is right. */
#include "request.h"

#include <openssl/base64.h>
#include <strings.h>

static nx_bytes seen_user, seen_password;
static unsigned checked, handled;

static nx_err check_basic(nx_request *req, nx_bytes user, nx_bytes password, void *context)
{
    (void)req;
    (void)context;
    checked++;
    seen_user = user;
    seen_password = password;
    return NX_OK;
}

static nx_err check_bearer(nx_request *req, nx_bytes token, void *context)
{
    (void)req;
    (void)context;
    checked++;
    seen_user = token;
    return NX_OK;
}

static nx_err handler(nx_request *req, nx_response *res, void *context)
{
    (void)req;
    (void)context;
    handled++;
    return nx_response_send(res, "ok");
}

/* The value behind the scheme of the one Authorization field; false if there are none or more. */
static bool value_of(const nx_request *req, const char *scheme, nx_bytes *value)
{
    nx_bytes name, found = {0};
    unsigned count = 0;
    for (size_t i = 0; nx_request_header_at(req, i, &name, value); i++) {
        if (name.len != 13 || strncasecmp(name.data, "authorization", 13) != 0) continue;
        found = *value;
        count++;
    }
    size_t len = strlen(scheme);
    if (count != 1 || found.len <= len || strncasecmp(found.data, scheme, len) != 0 ||
        found.data[len] != ' ')
        return false;
    while (len < found.len && found.data[len] == ' ') len++;
    *value = nx_slice(found.data + len, found.len - len);
    return true;
}

/* Lets in exactly those whose text is base64 of "user:password" without controls. */
static void basic_weigh(const nx_request *req)
{
    nx_bytes value;
    bool good = value_of(req, "basic", &value);
    size_t size = good ? value.len : 0, len = 0;
    char *text = nx_alloc(size + 1), *again = nx_alloc(size + 8);
    if (!text || !again) return;
    good = good && EVP_DecodeBase64((uint8_t *)text, &len, size, (const uint8_t *)value.data, size);
    /* Of several spellings only one is taken: two clients with one password send the same. */
    if (good) (void)EVP_EncodeBlock((uint8_t *)again, (const uint8_t *)text, len);
    good = good && nx_bytes_is(value, again);
    const char *colon = good && len ? memchr(text, ':', len) : NULL;
    good = good && colon;
    for (size_t i = 0; good && i < len; i++)
        good = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    check(checked == good && handled == good);
    if (!good) return;
    check(nx_bytes_eq(seen_user, nx_slice(text, (size_t)(colon - text))));
    check(nx_bytes_eq(seen_password, nx_slice(colon + 1, len - seen_user.len - 1)));
    check(nx_bytes_eq(nx_request_user(req), seen_user));
}

static void bearer_weigh(const nx_request *req)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    nx_bytes value;
    bool good = value_of(req, "bearer", &value);
    if (good) {
        size_t i = 0;
        while (i < value.len && memchr(letters, value.data[i], sizeof letters - 1)) i++;
        good = i > 0;
        while (i < value.len && value.data[i] == '=') i++;
        good = good && i == value.len;
    }
    check(checked == good && handled == good);
    if (good) check(nx_bytes_eq(seen_user, value));
}

static void secrets_weigh(nx_bytes input)
{
    nx_bytes given = line_next(&input), secret = line_next(&input);
    check(nx_secret_eq(given, secret) == nx_bytes_eq(given, secret));
    check(nx_secret_eq(given, given));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    nx_bytes input = nx_slice(data, size);
    static nx_http_server *server;
    if (!server && (server = nx_http_server_new(.port = 1))) {
        nx_http_basic_auth(server, .check = check_basic);
        nx_http_bearer_auth(server, .check = check_bearer);
        nx_http_basic_auth(server, .users = NX_HTTP_USERS({"ada", "lovelace"}));
        nx_http_bearer_auth(server, .tokens = NX_HTTP_LIST("abc"));
    }
    secrets_weigh(input);
    for (unsigned i = 0; server && i < server->root->step_count; i++) {
        struct sink sink;
        if (!request_make(&sink, server, "GET / HTTP/1.1", input)) break;
        const struct nx__http_step steps[] = {server->root->steps[i], {handler, NULL}};
        sink.req.place.next = steps;
        handled = checked = 0;
        check(nx_http_next(&sink.req, &sink.req.response) == NX_OK);
        check(sink.answers == 1);
        nx_bytes value;
        if (i == 0) basic_weigh(&sink.req);
        if (i == 1) bearer_weigh(&sink.req);
        if (i == 2)
            check(handled ==
                  (value_of(&sink.req, "basic", &value) && nx_bytes_is(value, "YWRhOmxvdmVsYWNl")));
        if (i == 3)
            check(handled == (value_of(&sink.req, "bearer", &value) && nx_bytes_is(value, "abc")));
        /* Who is not let in is told how to come in. */
        unsigned challenges;
        (void)answer_field(&sink.req.response, "www-authenticate", &challenges);
        check(sink.req.response.status == (handled ? 200 : 401) && challenges == !handled);
    }
    memory_end();
    return 0;
}
