/* What packages may do. */
#include "permission/package.h"

#include "base/error.h"
#include "permission/rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nx__package *nx__packages;

/* ---- What two sets have in common */

/* Whether all that `inner` names is in what `outer` does. */
static bool net_has(const struct nx__rule *outer, const struct nx__rule *inner)
{
    if (outer->host == NX__HOST_UNIX || inner->host == NX__HOST_UNIX)
        return outer->host == inner->host && (outer->text[0] == '@' || inner->text[0] == '@'
                                                  ? strcmp(outer->text, inner->text) == 0
                                                  : nx__path_beneath(inner->text, outer->text));
    if (outer->port != NX__PORT_ANY && outer->port != inner->port) return false;
    if (outer->host == NX__HOST_ANY) return true;
    bool by_name = inner->host == NX__HOST_NAME || inner->host == NX__HOST_SUBDOMAINS;
    if (outer->host == NX__HOST_SUBDOMAINS)
        return by_name && inner->len >= outer->len + (inner->host == NX__HOST_NAME) &&
               memcmp(inner->text + inner->len - outer->len, outer->text, outer->len) == 0;
    if (outer->host != inner->host) return false;
    if (outer->host == NX__HOST_NAME) return strcmp(outer->text, inner->text) == 0;
    return inner->prefix >= outer->prefix && (!outer->scope || outer->scope == inner->scope) &&
           nx__network_in(outer->address, outer->prefix, inner->address);
}

static bool has(enum nx__permit_kind kind, const struct nx__rule *outer,
                const struct nx__rule *inner)
{
    if (kind == NX__PERMIT_NET) return net_has(outer, inner);
    bool is_tree = kind == NX__PERMIT_READ || kind == NX__PERMIT_WRITE || kind == NX__PERMIT_FFI ||
                   kind == NX__PERMIT_WASM;
    return is_tree ? nx__path_beneath(inner->text, outer->text)
                   : strcmp(inner->text, outer->text) == 0;
}

static nx_err both_add(struct nx__rules *out, enum nx__permit_kind kind, const struct nx__rule *a,
                       const struct nx__rule *b)
{
    unsigned use = a->use & b->use;
    if (!use) return NX_OK;
    if (has(kind, a, b)) return nx__rule_copy(out, b, use);
    return has(kind, b, a) ? nx__rule_copy(out, a, use) : NX_OK;
}

static nx_err allowed_by_both(struct nx__rules *out, enum nx__permit_kind kind,
                              const struct nx__rules *program, unsigned program_any,
                              const struct nx__rules *package)
{
    unsigned package_any = package->any;
    out->any = (uint8_t)(program_any & package_any);
    for (const struct nx__rule *b = nx__rules_first(package); b; b = b->next) {
        if (b->use & program_any) NX_TRY(nx__rule_copy(out, b, b->use & program_any));
        for (const struct nx__rule *a = nx__rules_first(program); a; a = a->next)
            NX_TRY(both_add(out, kind, a, b));
    }
    for (const struct nx__rule *a = nx__rules_first(program); a; a = a->next)
        if (a->use & package_any) NX_TRY(nx__rule_copy(out, a, a->use & package_any));
    return NX_OK;
}

static nx_err denied_too(struct nx__rules *out, const struct nx__rules *from)
{
    out->any |= from->any;
    for (const struct nx__rule *rule = nx__rules_first(from); rule; rule = rule->next)
        NX_TRY(nx__rule_copy(out, rule, rule->use));
    return NX_OK;
}

nx_err nx__permissions_narrow(struct nx__permissions *out, const struct nx__permissions *program,
                              const struct nx__permissions *package)
{
    for (int i = 0; i < NX__PERMIT_KINDS; i++) {
        unsigned any = program->all ? NX__USE_ANY : program->allow[i].any;
        NX_TRY(allowed_by_both(&out->allow[i], (enum nx__permit_kind)i, &program->allow[i], any,
                               &package->allow[i]));
        NX_TRY(denied_too(&out->deny[i], &program->deny[i]));
        NX_TRY(denied_too(&out->deny[i], &package->deny[i]));
    }
    return NX_OK;
}

void nx__packages_free(struct nx__package *first)
{
    for (struct nx__package *next; first; first = next) {
        next = first->next;
        nx__permissions_free(&first->permissions);
        free(first);
    }
}

/* ---- Which one */

struct nx__package *nx__package_named(struct nx__package *first, const char *name)
{
    while (first && strcmp(first->name, name) != 0) first = first->next;
    return first;
}

struct nx__package *nx__package_of(struct nx__package *first, const char *module)
{
    static const char folder[] = "nexus_modules/";
    const char *name = module;
    for (const char *at = module; (at = strstr(at, folder)); at++)
        if (at == module || at[-1] == '/') name = at + sizeof folder - 1; /* the innermost */
    if (name == module && (*name == '.' || *name == '/')) return NULL;
    for (; first; first = first->next) {
        size_t len = strlen(first->name);
        if (strncmp(name, first->name, len) == 0 && (name[len] == '/' || name[len] == '\0'))
            return first;
    }
    return NULL;
}

static enum nx__verdict verdict_of(const struct nx__permissions *p, enum nx__permit_kind kind,
                                   const char *what)
{
    return kind == NX__PERMIT_NET ? nx__permissions_net_verdict(p, NX__USE_CONNECT, what)
                                  : nx__permissions_verdict(p, kind, what);
}

nx_err nx__permit_package(const char *module, enum nx__permit_kind kind, const char *what)
{
    const struct nx__package *package = nx__package_of(nx__packages, module);
    if (!package || verdict_of(&package->permissions, kind, what) == NX__GRANTED) return NX_OK;
    char clean[NX__ERROR_MESSAGE_MAX / 3];
    return nx__error_set(
        NX_EPERM,
        "the package \"%.60s\" may not have \"%s\": [permissions.packages] of nexus.toml has no such %s for it",
        package->name, nx__printable(clean, sizeof clean, what),
        nx__permission_name(kind, kind == NX__PERMIT_NET ? NX__USE_CONNECT : NX__USE_ANY));
}
