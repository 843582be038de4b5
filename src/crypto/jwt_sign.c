/* Making tokens. */
#include "base/clock.h"
#include "crypto/jwt.h"

#include <nexus/encode.h>

#define LIFETIME NX_S(900)

static bool has(nx_value object, const char *name)
{
    for (size_t i = 0; i + 1 < object.as.list.count; i += 2) {
        const nx_value *item = &object.as.list.items[i];
        if (item->kind == NX_VALUE_STRING &&
            nx_bytes_is(nx_slice(item->as.string.data, item->as.string.len), name))
            return true;
    }
    return false;
}

/* The claims, with "iat" and "exp" behind them where they are missing. */
static nx_err complete(nx_value claims, const nx_jwt_sign_options *o, nx_value *out)
{
    size_t count = claims.as.list.count;
    nx_time now = o->now ? o->now : nx__clock(CLOCK_REALTIME);
    bool ends = has(claims, "exp");
    if (ends && o->lifetime)
        return nx__error_set(NX_EINVAL, "a token has a lifetime or an \"exp\", not both");
    nx_duration lifetime = o->lifetime ? o->lifetime : LIFETIME;
    nx_value *items = nx_alloc_zero(count + 4, sizeof *items);
    if (!items) return NX_ENOMEM;
    if (count) memcpy(items, claims.as.list.items, count * sizeof *items);
    if (!has(claims, "iat")) {
        items[count++] = nx_val("iat");
        items[count++] = nx_val((int64_t)(now / NX_S(1)));
    }
    if (!ends && lifetime != NX_FOREVER) {
        items[count++] = nx_val("exp");
        items[count++] = nx_val((int64_t)(now / NX_S(1) + lifetime / NX_S(1)));
    }
    *out = nx_value_object(items, count);
    return NX_OK;
}

static nx_err encoded(nx_value value, nx_bytes *out)
{
    nx_bytes json;
    NX_TRY(nx_json_write(value, &json));
    return nx_base64_encode(json, out, .url = true, .no_padding = true);
}

nx_err nx_jwt_sign_with(nx_jwt_signer signer, nx_value claims, nx_bytes *out,
                        const nx_jwt_sign_options *options)
{
    NX__OPTIONS(nx_jwt_sign_options, o, options);
    const char *algorithm = nx__jwt_name(signer.algorithm), *type = o.type ? o.type : "JWT";
    nx_bytes header, payload, signature;
    *out = (nx_bytes){0};
    if (!algorithm) return NX_EINVAL;
    if (claims.kind == NX_VALUE_NONE) return nx__error_set(NX_ENOMEM, "the claims have no memory");
    if (claims.kind != NX_VALUE_OBJECT)
        return nx__error_set(NX_EINVAL, "the claims of a token are an object");
    NX_TRY(complete(claims, &o, &claims));
    NX_TRY(encoded(o.key_id ? nx_obj("alg", algorithm, "typ", type, "kid", o.key_id)
                            : nx_obj("alg", algorithm, "typ", type),
                   &header));
    NX_TRY(encoded(claims, &payload));
    char *text = nx_format("%s.%s", header.data, payload.data);
    if (!text) return NX_ENOMEM;
    NX_TRY(nx__jwt_signature(signer, nx_str(text), &signature));
    NX_TRY(nx_base64_encode(signature, &signature, .url = true, .no_padding = true));
    char *token = nx_format("%s.%s", text, signature.data);
    if (!token) return NX_ENOMEM;
    if (strlen(token) > NX_JWT_MOST)
        return nx__error_set(NX_ETOOBIG, "a token has %zu bytes at most, not %zu", NX_JWT_MOST,
                             strlen(token));
    *out = nx_str(token);
    return NX_OK;
}
