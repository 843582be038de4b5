/* Environment variables as values. */
#include "base/compiler.h"
#include "base/error.h"
#include "env/values.h"
#include "permission/permission.h"
#include <nexus/env.h>

enum { SHOWN_MOST = 64 };

/* The text, NULL where it isn't set and needn't be. */
static nx_err text_get(const char *name, const nx_env_options *o, const char **out)
{
    *out = nx_env(name);
    if (*out) return NX_OK;
    nx_err err = nx__error_last()->code;
    if (err != NX_ENOENT) return err;
    return o->required ? nx__error_set(NX_ENOENT, "%.100s is not set, and is required", name)
                       : NX_OK;
}

nx_err nx_env_text_with(const char *name, const char **out, const nx_env_options *options)
{
    NX__OPTIONS(nx_env_options, o, options);
    const char *text;
    NX_TRY(text_get(name, &o, &text));
    if (text) *out = text;
    return NX_OK;
}

/* `*set` is false where `value` is to stay out. */
static nx_err value_get(enum nx__value_kind kind, const char *name, const nx_env_options *options,
                        union nx__value *value, bool *set)
{
    NX__OPTIONS(nx_env_options, o, options);
    struct nx__value_range range = {o.least, o.most};
    const char *text;
    char wanted[NX__VALUE_WANTED], shown[SHOWN_MOST];
    *set = false;
    NX_TRY(text_get(name, &o, &text));
    if (text && !*text && o.required)
        return nx__error_set(NX_ENOENT, "%.100s is empty, and is required", name);
    if (!text || !*text) return NX_OK;
    *set = true;
    if (nx__value_parse(kind, text, range, value)) return NX_OK;
    return nx__error_set(NX_EINVAL, "cannot use %.60s=\"%s\": expected %s", name,
                         nx__printable(shown, sizeof shown, text),
                         nx__value_wanted(kind, range, wanted));
}

static nx_err whole_get(enum nx__value_kind kind, const char *name, int64_t *out,
                        const nx_env_options *options)
{
    union nx__value value;
    bool set;
    NX_TRY(value_get(kind, name, options, &value, &set));
    if (set) *out = value.number;
    return NX_OK;
}

nx_err nx_env_int_with(const char *name, int64_t *out, const nx_env_options *options)
{
    return whole_get(NX__VALUE_INT, name, out, options);
}

nx_err nx_env_duration_with(const char *name, nx_duration *out, const nx_env_options *options)
{
    return whole_get(NX__VALUE_DURATION, name, out, options);
}

nx_err nx_env_size_with(const char *name, int64_t *out, const nx_env_options *options)
{
    return whole_get(NX__VALUE_SIZE, name, out, options);
}

nx_err nx_env_number_with(const char *name, double *out, const nx_env_options *options)
{
    union nx__value value;
    bool set;
    NX_TRY(value_get(NX__VALUE_REAL, name, options, &value, &set));
    if (set) *out = value.real;
    return NX_OK;
}

nx_err nx_env_bool_with(const char *name, bool *out, const nx_env_options *options)
{
    union nx__value value;
    bool set;
    NX_TRY(value_get(NX__VALUE_BOOL, name, options, &value, &set));
    if (set) *out = value.yes;
    return NX_OK;
}
