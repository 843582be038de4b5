/* What the program itself asks and says about its grants. */
#include "base/error.h"
#include "permission/broker.h"
#include "permission/connect.h"
#include "permission/keeper_ask.h"
#include "permission/place.h"
#include "permission/program.h"
#include "permission/rules.h"
#include <nexus/permission.h>
#include <nexus/runtime.h>
#include <stdlib.h>

static const struct nx__permission_key keys[NX_PERMISSION_COUNT] = {
    [NX_PERMISSION_READ] = {NX__PERMIT_READ, NX__USE_ANY, true},
    [NX_PERMISSION_WRITE] = {NX__PERMIT_WRITE, NX__USE_ANY, true},
    [NX_PERMISSION_LISTEN] = {NX__PERMIT_NET, NX__USE_LISTEN, true},
    [NX_PERMISSION_CONNECT] = {NX__PERMIT_NET, NX__USE_CONNECT, true},
    [NX_PERMISSION_ENV] = {NX__PERMIT_ENV, NX__USE_ANY, true},
    [NX_PERMISSION_RUN] = {NX__PERMIT_RUN, NX__USE_ANY, true},
    [NX_PERMISSION_FFI] = {NX__PERMIT_FFI, NX__USE_ANY, true},
    [NX_PERMISSION_SYS] = {NX__PERMIT_SYS, NX__USE_ANY, true},
    [NX_PERMISSION_WASM] = {NX__PERMIT_WASM, NX__USE_ANY, true},
};

/* ---- Query */

/* All there are: a list grants some, and denies some. */
static enum nx__verdict verdict_of_all(const struct nx__permissions *p,
                                       const struct nx__permission_key *key)
{
    const struct nx__rules *deny = &p->deny[key->kind], *allow = &p->allow[key->kind];
    if (deny->any & key->use) return NX__DENIED;
    for (const struct nx__rule *rule = nx__rules_first(deny); rule; rule = rule->next)
        if (rule->use & key->use) return NX__MISSING;
    return p->all || (allow->any & key->use) == key->use ? NX__GRANTED : NX__MISSING;
}

static enum nx__verdict verdict_of_program(const char *name)
{
    char found[NX__PATH_MAX];
    const char *path = strchr(name, '/') ? name : NULL;
    if (!path && nx__program_find(name, getenv("PATH"), found) == 0) path = found;
    return nx__permit_program_quietly(name, path) == NX_OK ? NX__GRANTED : NX__MISSING;
}

static enum nx__verdict verdict_of(const struct nx__permissions *p,
                                   const struct nx__permission_key *key, const char *name)
{
    if (!name) return verdict_of_all(p, key);
    if (key->kind == NX__PERMIT_NET) return nx__permissions_net_verdict(p, key->use, name);
    if (key->kind == NX__PERMIT_RUN) return verdict_of_program(name);
    return nx__permissions_verdict(p, key->kind, name);
}

nx_permission_state nx_permission_query(nx_permission what, const char *name)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    if ((unsigned)what >= NX_PERMISSION_COUNT) return NX_PERMISSION_DENIED;
    if (!p) return NX_PERMISSION_GRANTED;
    const struct nx__permission_key *key = &keys[what];
    struct nx__context *context = nx__context(), kept = *context;
    enum nx__verdict verdict = verdict_of(p, key, name);
    bool asks = key->kind == NX__PERMIT_NET && name && nx__broker_asks;
    if (verdict == NX__MISSING && asks) {
        struct nx__endpoint endpoint; /* what can't be is not asked for */
        asks = nx__endpoint_parse(name, strlen(name), &endpoint) == NX_OK;
    }
    *context = kept;
    if (verdict == NX__GRANTED) return NX_PERMISSION_GRANTED;
    return verdict == NX__MISSING && asks ? NX_PERMISSION_PROMPT : NX_PERMISSION_DENIED;
}

/* ---- Request */

struct listening {
    const char *address;
};

static nx_err listening_ask(void *arg)
{
    const struct listening *l = arg;
    return nx__permit(NX__PERMIT_NET, l->address);
}

nx_err nx_permission_request(nx_permission what, const char *name)
{
    if ((unsigned)what >= NX_PERMISSION_COUNT)
        return nx__error_set(NX_EINVAL, "there is no permission %u", (unsigned)what);
    const struct nx__permissions *p = nx__permissions_sealed();
    const struct nx__permission_key *key = &keys[what];
    if (!p) return NX_OK;
    if (name && what == NX_PERMISSION_CONNECT) return nx__permit_connect(name);
    if (name && what == NX_PERMISSION_LISTEN) {
        struct listening l = {.address = name};
        return nx_blocking(listening_ask, &l); /* others go on while the user thinks */
    }
    if (name && key->kind == NX__PERMIT_RUN) {
        enum nx__verdict verdict = verdict_of_program(name);
        return verdict == NX__GRANTED ? NX_OK : nx__error_last()->code;
    }
    enum nx__verdict verdict = verdict_of(p, key, name);
    if (verdict == NX__GRANTED) return NX_OK;
    return name ? nx__permit_refuse(key->kind, name, verdict) : nx__permit_refuse_all(key, verdict);
}

/* ---- Revoke */

nx_err nx_permission_revoke(nx_permission what, const char *name)
{
    static struct nx__permissions own = {.all = true}; /* of a program that nothing was denied */
    if ((unsigned)what >= NX_PERMISSION_COUNT)
        return nx__error_set(NX_EINVAL, "there is no permission %u", (unsigned)what);
    if (name && (what == NX_PERMISSION_FFI || what == NX_PERMISSION_WASM))
        return nx__error_set(
            NX_EINVAL, "cannot give up loading \"%.100s\": all can be given up, with NULL", name);
    if (!nx__permissions_sealed()) nx__permissions_seal(&own);
    struct nx__permissions *p = nx__permissions_sealed();
    nx_err err = NX_OK;
    if (name)
        err = nx__permissions_add(p, &keys[what], name, strlen(name));
    else
        nx__permissions_add_all(p, &keys[what]);
    if (err == NX_EUSAGE)
        return nx__error_set(NX_EINVAL, "cannot give up a permission: %.180s",
                             nx__error_last()->message);
    if (err) return err;
    nx__permit_given_up = true;
    /* By the path that it is called here. */
    const struct nx__rule *added = nx__rules_first(&p->deny[keys[what].kind]);
    bool is_path = keys[what].kind == NX__PERMIT_WRITE;
    nx__keeper_revoke(&keys[what], name && is_path ? added->text : name);
    return NX_OK;
}
