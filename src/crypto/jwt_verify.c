/* Reading tokens: the signature first, and only then what it is about. */
#include "base/clock.h"
#include "crypto/jwt.h"

#include <nexus/encode.h>

#define LEEWAY NX_S(30)

enum { DEPTH_MOST = 16 };

/* The sender is told, with a 401. */
static nx_err refused(nx_err code, const char *why)
{
    NX_IGNORE(nx__error_peer(code, "the token %s", why));
    return nx__error_status_set(401);
}

/* The part of the token up to the dot, which is taken off it with that. */
static bool part(nx_bytes *token, nx_bytes *out)
{
    const char *dot = token->len ? memchr(token->data, '.', token->len) : NULL;
    if (!dot) return false;
    size_t len = (size_t)(dot - token->data);
    *out = nx_slice(token->data, len);
    *token = nx_slice(dot + 1, token->len - len - 1);
    return true;
}

static nx_err decoded(nx_bytes text, nx_bytes *out)
{
    nx_err err = nx_base64_decode(text, out, .url = true, .no_padding = true);
    return err && err != NX_ENOMEM ? refused(NX_EPROTO, "is none: its base64url is damaged") : err;
}

static nx_err object(nx_bytes text, nx_json *out)
{
    nx_bytes json;
    *out = (nx_json){0};
    NX_TRY(decoded(text, &json));
    nx_err err = nx_json_parse(json, out, .max_depth = DEPTH_MOST);
    if (err == NX_ENOMEM) return err;
    return err || nx_json_kind_of(*out) != NX_JSON_OBJECT
               ? refused(NX_EPROTO, "is none: it holds no JSON objects")
               : NX_OK;
}

struct parts {
    nx_bytes signed_text, payload, signature;
    nx_json header;
};

static nx_err split(nx_bytes token, struct parts *parts)
{
    nx_bytes header, rest = token;
    if (token.len > NX_JWT_MOST) return refused(NX_ETOOBIG, "is larger than 8192 bytes");
    if (!part(&rest, &header) || !part(&rest, &parts->payload) ||
        (rest.len && memchr(rest.data, '.', rest.len)))
        return refused(NX_EPROTO, "is none: it has not three parts");
    parts->signature = rest;
    parts->signed_text = nx_slice(token.data, header.len + 1 + parts->payload.len);
    return object(header, &parts->header);
}

nx_err nx_jwt_key_id(nx_bytes token, nx_bytes *out)
{
    struct parts parts = {0};
    *out = nx_str("");
    NX_TRY(split(token, &parts));
    *out = nx_json_string(nx_json_get(parts.header, "kid"), "");
    return NX_OK;
}

/* ---- The claims */

static bool says(nx_json json, const char *name, const char *value)
{
    nx_json found = nx_json_get(json, name);
    return nx_json_kind_of(found) == NX_JSON_STRING &&
           nx_bytes_is(nx_json_string(found, ""), value);
}

/* Seconds since 1970, which may have a fraction; false where it is something else. */
static bool seconds(nx_json claims, const char *name, double *out)
{
    nx_json found = nx_json_get(claims, name);
    *out = nx_json_double(found, 0);
    return nx_json_kind_of(found) == NX_JSON_NUMBER;
}

static nx_err check_times(nx_json claims, const nx_jwt_options *o)
{
    double now = (double)(o->now ? o->now : nx__clock(CLOCK_REALTIME)) / 1e9;
    double leeway = (double)(o->leeway ? o->leeway : LEEWAY) / 1e9, at;
    if (nx_json_is(nx_json_get(claims, "exp"))) {
        if (!seconds(claims, "exp", &at)) return refused(NX_EPROTO, "has an \"exp\" that is none");
        if (now >= at + leeway) return refused(NX_ETIMEDOUT, "has expired");
    } else if (!o->endless) {
        return refused(NX_EPROTO, "has no \"exp\"");
    }
    if (nx_json_is(nx_json_get(claims, "nbf"))) {
        if (!seconds(claims, "nbf", &at)) return refused(NX_EPROTO, "has an \"nbf\" that is none");
        if (now < at - leeway) return refused(NX_EPROTO, "is not valid yet");
    }
    if (nx_json_is(nx_json_get(claims, "iat")) && !seconds(claims, "iat", &at))
        return refused(NX_EPROTO, "has an \"iat\" that is none");
    return NX_OK;
}

/* RFC 7519, section 4.1.3: who is not in the audience refuses the token, and who says of himself
 * nothing is in none. */
static bool is_for(nx_json claims, const char *audience)
{
    nx_json found = nx_json_get(claims, "aud");
    if (!audience) return !nx_json_is(found);
    if (nx_json_kind_of(found) != NX_JSON_ARRAY) return says(claims, "aud", audience);
    for (nx_json_each each = nx_json_begin(found); nx_json_next(&each);)
        if (nx_json_kind_of(each.value) == NX_JSON_STRING &&
            nx_bytes_is(nx_json_string(each.value, ""), audience))
            return true;
    return false;
}

static nx_err check_claims(nx_json claims, const nx_jwt_options *o)
{
    if (o->issuer && !says(claims, "iss", o->issuer))
        return refused(NX_EPROTO, "is of another issuer");
    if (!is_for(claims, o->audience)) return refused(NX_EPROTO, "is for another audience");
    return check_times(claims, o);
}

nx_err nx_jwt_verify_with(nx_jwt_verifier verifier, nx_bytes token, nx_json *claims,
                          const nx_jwt_options *options)
{
    NX__OPTIONS(nx_jwt_options, o, options);
    const char *algorithm = nx__jwt_name(verifier.algorithm);
    struct parts parts = {0};
    nx_bytes signature;
    nx_json read = {0};
    *claims = (nx_json){0};
    if (!algorithm) return NX_EINVAL;
    NX_TRY(split(token, &parts));
    if (!says(parts.header, "alg", algorithm))
        return refused(NX_EPROTO, "is signed in another way than is expected");
    if (nx_json_is(nx_json_get(parts.header, "crit")))
        return refused(NX_EPROTO, "has extensions that are not known");
    if (o.type && !says(parts.header, "typ", o.type))
        return refused(NX_EPROTO, "is of another type");
    NX_TRY(decoded(parts.signature, &signature));
    nx_err err = nx__jwt_check(verifier, parts.signed_text, signature);
    if (err == NX_EPROTO) return refused(NX_EPROTO, "is not signed by the key that is expected");
    NX_TRY(err);
    NX_TRY(object(parts.payload, &read));
    NX_TRY(check_claims(read, &o));
    *claims = read;
    return NX_OK;
}
