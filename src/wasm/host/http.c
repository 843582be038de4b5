/* Requests of guests. The answer comes in pieces, as the guest reads it. */
#include "wasm/host/host.h"

#include "permission/package.h"
#include "wasm/internal.h"
#include <nexus/url.h>
#include <strings.h>

/* Text of the guest's as C has it, in memory of the current scope; NULL recorded. */
static const char *text_of(nx_bytes text, const char *what, nx_err *err)
{
    *err = memchr(text.data, '\0', text.len) ? nx__error_set(NX_EINVAL, "%s has a NUL in it", what)
                                             : NX_OK;
    const char *copy = *err ? NULL : nx_copy(text);
    if (!*err && !copy) *err = NX_ENOMEM;
    return copy;
}

/* The policy first; what the program may, the client asks. */
nx_err nx__host_net_permit(const struct nx__permissions *net, const char *module, const char *url)
{
    nx_url parsed;
    NX_TRY(nx_url_parse(nx_str(url), &parsed));
    if (!parsed.host.len || !parsed.port)
        return nx__error_set(NX_EINVAL, "\"%.150s\" names no host", url);
    const char *peer = nx_format("%.*s:%u", NX_FMT(parsed.host), (unsigned)parsed.port);
    if (!peer) return NX_ENOMEM;
    NX_TRY(nx__permit_package(module, NX__PERMIT_NET, peer));
    if (nx__permissions_net_verdict(net, NX__USE_CONNECT, peer) == NX__GRANTED) return NX_OK;
    return nx__error_set(NX_EPERM, "asking %.150s is not allowed: allow_net of its policy lacks it",
                         peer);
}

/* "name: value", a line each. */
static nx_err headers_read(nx_bytes text, const char ***out)
{
    size_t count = 0;
    nx_err err;
    if (text.len > NX__HOST_HEADERS_MOST)
        return nx__error_set(NX_ETOOBIG, "the fields of a request have at most %d bytes",
                             NX__HOST_HEADERS_MOST);
    char *line = (char *)(uintptr_t)text_of(text, "a field of the request", &err);
    if (err) return err;
    const char **list = nx_alloc((2 * NX__HOST_FIELDS_MOST + 1) * sizeof *list);
    if (!list) return NX_ENOMEM;
    while (*line) {
        char *end = line + strcspn(line, "\r\n"), *value = strchr(line, ':');
        char *next = end + strspn(end, "\r\n");
        *end = '\0';
        if (!value || value >= end)
            return nx__error_set(NX_EINVAL, "\"%.100s\" is no field: it is written \"name: value\"",
                                 line);
        if (count == NX__HOST_FIELDS_MOST)
            return nx__error_set(NX_ETOOBIG, "a request has at most %d fields",
                                 NX__HOST_FIELDS_MOST);
        *value++ = '\0';
        /* A host that is granted may serve others by their names. */
        if (strcasecmp(line, "host") == 0)
            return nx__error_set(NX_EPERM, "the field \"host\" is that of the URL, and no other");
        list[2 * count] = line;
        list[2 * count + 1] = value + strspn(value, " \t");
        count++;
        line = next;
    }
    list[2 * count] = NULL;
    *out = list;
    return NX_OK;
}

static nx_err ask(const struct nx__host *host, const nx_wasm_value *values, struct nx__held *held)
{
    nx_bytes method = values[0].bytes, body = values[3].bytes;
    const char **headers = NULL, *copy = NULL;
    nx_err err;
    const char *url = text_of(values[1].bytes, "the URL", &err);
    if (!err) err = nx__host_net_permit(&host->net, host->wasm->module->name, url);
    const char *verb = err ? NULL : text_of(method, "the method", &err);
    if (!err) err = headers_read(values[2].bytes, &headers);
    if (!err && body.len > NX__HOST_BODY_MOST)
        err = nx__error_set(NX_ETOOBIG, "the body of a request has at most %d bytes",
                            NX__HOST_BODY_MOST);
    /* The guest may go on before all of it is sent. */
    if (!err && body.len && !(copy = nx_copy(body))) err = NX_ENOMEM;
    if (err) return err;
    /* Where an answer leads to is the guest's to ask for, so that its policy is looked at again. */
    return nx_fetch(&held->answer, url, .method = method.len ? verb : NULL, .headers = headers,
                    .body = nx_slice(copy, body.len), .redirects = NX_FETCH_NO_REDIRECTS);
}

nx_err nx__host_request(struct nx__host *host, nx_wasm_value *values)
{
    struct nx__held *held;
    int32_t number;
    NX_TRY(nx__host_hold(host, &held, &number));
    nx__host_scope_enter(&held->scope);
    nx_err err = ask(host, values, held);
    nx__host_scope_leave(&held->scope);
    if (err) {
        nx__host_drop(host, number);
        return err;
    }
    values[0].i32 = number;
    return NX_OK;
}

nx_err nx__host_fetch(struct nx__host *host, nx_wasm_value *values)
{
    nx_wasm_value all[4] = {{.bytes = nx_str("")},
                            {.bytes = values[0].bytes},
                            {.bytes = nx_str("")},
                            {.bytes = nx_str("")}};
    NX_TRY(nx__host_request(host, all));
    values[0] = all[0];
    return NX_OK;
}

static nx_err answer_find(struct nx__host *host, int32_t number, struct nx__held **out)
{
    NX_TRY(nx__host_find(host, number, out));
    if ((*out)->answer) return NX_OK;
    return nx__error_set(NX_EINVAL, "%d is the number of a file, and not of an answer",
                         (int)number);
}

nx_err nx__host_status(struct nx__host *host, nx_wasm_value *values)
{
    struct nx__held *held;
    NX_TRY(answer_find(host, values[0].i32, &held));
    values[0].i32 = nx_fetched_status(held->answer);
    return NX_OK;
}

nx_err nx__host_header(struct nx__host *host, nx_wasm_value *values)
{
    struct nx__held *held;
    nx_err err;
    NX_TRY(answer_find(host, values[0].i32, &held));
    const char *name = text_of(values[1].bytes, "the name of a field", &err);
    if (err) return err;
    nx_bytes value = nx_fetched_header(held->answer, name), into = values[2].bytes;
    if (!value.data) return nx__error_set(NX_ENOENT, "the answer has no field \"%.100s\"", name);
    if (into.len) /* a slice of the guest's memory */
        memcpy((char *)(uintptr_t)into.data, value.data,
               value.len < into.len ? value.len : into.len);
    values[0].i32 = (int32_t)value.len;
    return NX_OK;
}

nx_err nx__host_answer_read(struct nx__held *held, nx_bytes into, int32_t *got)
{
    if (!held->piece.len && into.len) {
        nx__host_scope_enter(&held->scope);
        nx_err err = nx_fetched_read(held->answer, &held->piece);
        nx__host_scope_leave(&held->scope);
        if (err) {
            held->piece.len = 0;
            return err;
        }
    }
    size_t len = held->piece.len < into.len ? held->piece.len : into.len;
    *got = (int32_t)len;
    if (!len) return NX_OK;
    memcpy((char *)(uintptr_t)into.data, held->piece.data, len);
    held->piece = nx_slice(held->piece.data + len, held->piece.len - len);
    return NX_OK;
}
