/* Authentication by the Authorization field: Basic (RFC 7617) and Bearer (RFC 6750). */
#include "http/server.h"

#include "encode/encode.h"
#include "http/h1/syntax.h"
#include <stdio.h>

enum { CHALLENGE_MOST = 256 };

struct auth {
    nx_http_credential *users; /* up to one whose `user` is NULL */
    const char **tokens;       /* up to a NULL */
    nx_http_basic_check basic;
    nx_http_bearer_check bearer;
    void *context;
    char challenge[CHALLENGE_MOST];
};

/* ---- Credentials */

/* What stands behind the scheme; `data` is NULL if the request has no such credentials, or more
 * than one Authorization field, of which each could mean another user. */
static nx_bytes credentials(const nx_request *req, const char *scheme)
{
    nx_bytes found = {0}, name, value;
    size_t len = strlen(scheme);
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        if (!NX__ASCII_IS(name.data, name.len, "authorization")) continue;
        if (found.data) return (nx_bytes){0};
        found = value;
    }
    if (found.len <= len || found.data[len] != ' ' || !nx__ascii_ieq(found.data, scheme, len))
        return (nx_bytes){0};
    while (found.data[len] == ' ') len++; /* the value does not end with blanks */
    return nx_slice(found.data + len, found.len - len);
}

/* "user:password"; neither has controls (RFC 7617 2). */
static bool basic_parse(nx_request *req, nx_bytes text, nx_bytes *user, nx_bytes *password)
{
    static const nx_base64_options plain = {.size = sizeof plain};
    char *decoded = nx__arena_alloc(&req->fiber->own.arena, text.len + 3);
    size_t len;
    if (!decoded || nx__base64_read(decoded, &len, text, &plain)) return false;
    const char *colon = len ? memchr(decoded, ':', len) : NULL;
    if (!colon) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)decoded[i] < 0x20 || decoded[i] == 0x7f) return false;
    *user = nx_slice(decoded, (size_t)(colon - decoded));
    *password = nx_slice(colon + 1, len - user->len - 1);
    return true;
}

/* b64token (RFC 6750 2.1) */
static bool is_token(nx_bytes token)
{
    size_t i = 0;
    while (i < token.len && (nx__h1_is(token.data[i], NX__H1_LABEL) || token.data[i] == '_' ||
                             token.data[i] == '~' || token.data[i] == '+' || token.data[i] == '/'))
        i++;
    size_t letters = i;
    while (i < token.len && token.data[i] == '=') i++;
    return letters && i == token.len;
}

/* ---- The user */

nx_bytes nx_request_user(const nx_request *req)
{
    return req->extra ? req->extra->user : (nx_bytes){0};
}

nx_err nx_request_set_user(nx_request *req, nx_bytes user)
{
    struct nx__request_extra *extra = nx__request_extra(req);
    char *copy = extra ? nx__arena_alloc(&req->fiber->own.arena, user.len + 1) : NULL;
    if (!copy) return nx__error_set(NX_ENOMEM, "cannot keep the request's user: out of memory");
    if (user.len) memcpy(copy, user.data, user.len);
    copy[user.len] = '\0';
    extra->user = nx_slice(copy, user.len);
    return NX_OK;
}

/* ---- Middleware */

static nx_err refuse(nx_response *res, const struct auth *auth, int status, const char *error)
{
    char challenge[CHALLENGE_MOST + 64];
    (void)snprintf(challenge, sizeof challenge, "%s%s%s", auth->challenge,
                   !*error                        ? ""
                   : strchr(auth->challenge, '=') ? ", "
                                                  : " ",
                   error);
    nx_response_header_always(res, "www-authenticate", challenge);
    return nx_response_error(res, status, NULL);
}

/* Every entry is compared, whatever fits. */
static bool user_known(const struct auth *auth, nx_bytes user, nx_bytes password)
{
    unsigned fits = 0;
    for (const nx_http_credential *known = auth->users; known->user; known++)
        fits |= (unsigned)nx_secret_eq(user, nx_str(known->user)) &
                (unsigned)nx_secret_eq(password, nx_str(known->password));
    return fits;
}

static bool token_known(const struct auth *auth, nx_bytes token)
{
    unsigned fits = 0;
    for (const char *const *known = auth->tokens; *known; known++)
        fits |= (unsigned)nx_secret_eq(token, nx_str(*known));
    return fits;
}

static nx_err basic_run(nx_request *req, nx_response *res, void *context)
{
    const struct auth *auth = context;
    nx_bytes text = credentials(req, "basic"), user, password;
    nx_err err = NX_EACCES;
    if (text.data && basic_parse(req, text, &user, &password))
        err = auth->basic                        ? auth->basic(req, user, password, auth->context)
              : user_known(auth, user, password) ? NX_OK
                                                 : NX_EACCES;
    if (err == NX_EACCES || nx__error_status(err) == 401) return refuse(res, auth, 401, "");
    if (err == NX_EPERM) return nx_response_error(res, 403, NULL);
    if (err) return err;
    if (!nx_request_user(req).data) NX_TRY(nx_request_set_user(req, user));
    return nx_http_next(req, res);
}

static nx_err bearer_run(nx_request *req, nx_response *res, void *context)
{
    const struct auth *auth = context;
    nx_bytes token = credentials(req, "bearer");
    if (!token.data) return refuse(res, auth, 401, "");
    nx_err err = !is_token(token)           ? NX_EACCES
                 : auth->bearer             ? auth->bearer(req, token, auth->context)
                 : token_known(auth, token) ? NX_OK
                                            : NX_EACCES;
    if (err == NX_EACCES || nx__error_status(err) == 401)
        return refuse(res, auth, 401, "error=\"invalid_token\"");
    if (err == NX_EPERM) return refuse(res, auth, 403, "error=\"insufficient_scope\"");
    if (err) return err;
    return nx_http_next(req, res);
}

/* ---- Options */

static void challenge_make(nx_http_router *router, struct auth *auth, const char *scheme,
                           const char *realm, const char *rest)
{
    for (const char *c = realm; c && *c; c++)
        if (*c < 0x20 || *c > 0x7e || *c == '"' || *c == '\\') {
            nx__router_mistake(router, NX_EINVAL,
                               "authentication: the realm has other characters than ASCII letters, "
                               "digits, spaces and signs but quotes and backslashes");
            return;
        }
    int len = realm ? snprintf(auth->challenge, sizeof auth->challenge, "%s realm=\"%s\"%s", scheme,
                               realm, rest)
                    : snprintf(auth->challenge, sizeof auth->challenge, "%s", scheme);
    if (len >= CHALLENGE_MOST)
        nx__router_mistake(router, NX_EINVAL, "authentication: the realm is too long");
}

void nx_http_basic_with(nx_http_router *router, const nx_http_basic_options *options)
{
    nx_http_basic_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct auth *auth = nx__router_keep(router, sizeof *auth, NULL);
    if (!auth) return;
    if (!o.users == !o.check) {
        nx__router_mistake(router, NX_EINVAL, "nx_http_basic_auth needs users or check, not both");
        return;
    }
    size_t count = 0;
    while (o.users && o.users[count].user) count++;
    auth->users = nx__router_keep(router, (count + 1) * sizeof *auth->users, NULL);
    for (size_t i = 0; auth->users && i < count; i++) {
        auth->users[i].user = nx__router_keep_text(router, o.users[i].user);
        auth->users[i].password = nx__router_keep_text(router, o.users[i].password);
        if (!o.users[i].password || strchr(o.users[i].user, ':'))
            nx__router_mistake(router, NX_EINVAL, "nx_http_basic_auth: the user \"%s\" has %s",
                               o.users[i].user,
                               o.users[i].password ? "a colon in the name" : "no password");
    }
    auth->basic = o.check;
    auth->context = o.context;
    challenge_make(router, auth, "Basic", o.realm ? o.realm : "restricted", ", charset=\"UTF-8\"");
    nx_http_router_use(router, basic_run, auth);
}

void nx_http_bearer_with(nx_http_router *router, const nx_http_bearer_options *options)
{
    nx_http_bearer_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct auth *auth = nx__router_keep(router, sizeof *auth, NULL);
    if (!auth) return;
    if (!o.tokens == !o.check) {
        nx__router_mistake(router, NX_EINVAL,
                           "nx_http_bearer_auth needs tokens or check, not both");
        return;
    }
    size_t count = 0;
    while (o.tokens && o.tokens[count]) count++;
    auth->tokens = nx__router_keep(router, (count + 1) * sizeof *auth->tokens, NULL);
    for (size_t i = 0; auth->tokens && i < count; i++) {
        auth->tokens[i] = nx__router_keep_text(router, o.tokens[i]);
        if (!is_token(nx_str(o.tokens[i])))
            nx__router_mistake(
                router, NX_EINVAL,
                "nx_http_bearer_auth: a token is empty, or has other characters than "
                "letters, digits and \"-._~+/\"");
    }
    auth->bearer = o.check;
    auth->context = o.context;
    challenge_make(router, auth, "Bearer", o.realm, "");
    nx_http_router_use(router, bearer_run, auth);
}
