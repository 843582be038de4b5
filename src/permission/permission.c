/* Capabilities: flags, rules, and the hook. */
#include "permission/permission.h"

#include "base/error.h"
#include "permission/access.h"
#include "permission/broker.h"
#include "permission/environment.h"
#include "permission/facts.h"
#include "permission/paths.h"
#include "permission/place.h"
#include "permission/program.h"
#include "permission/rules.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name;  /* of the flags */
    const char *doing; /* in messages */
} kinds[NX__PERMIT_KINDS] = {
    [NX__PERMIT_READ] = {"read", "reading"},
    [NX__PERMIT_WRITE] = {"write", "writing"},
    [NX__PERMIT_NET] = {"net", "listening on"},
    [NX__PERMIT_ENV] = {"env", "the environment variable"},
    [NX__PERMIT_RUN] = {"run", "starting"},
    [NX__PERMIT_FFI] = {"ffi", "loading"},
    [NX__PERMIT_SYS] = {"sys", "the host's"},
    [NX__PERMIT_WASM] = {"wasm", "loading"},
};

/* Keys that are about a part of a kind. */
static const struct {
    const char *name;
    struct nx__permission_key key;
} parts[] = {
    {"listen", {NX__PERMIT_NET, NX__USE_LISTEN, false}},
    {"connect", {NX__PERMIT_NET, NX__USE_CONNECT, false}},
};

static struct nx__permissions *_Atomic sealed;

/* Those that change the direction of what follows, in UTF-8: U+200E, U+200F, U+202A to U+202E,
 * U+2066 to U+2069. */
static bool turns_text(const unsigned char *s)
{
    if (s[0] != 0xe2) return false;
    return (s[1] == 0x80 && ((s[2] >= 0x8e && s[2] <= 0x8f) || (s[2] >= 0xaa && s[2] <= 0xae))) ||
           (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

char *nx__printable(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s && n + 1 < size; s++) {
        if (*s < 0x20 || *s == 0x7f) continue;
        if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) { /* C1 controls in UTF-8 */
            s++;
            continue;
        }
        if (turns_text(s)) {
            s += 2;
            continue;
        }
        out[n++] = (char)*s;
    }
    out[n] = '\0';
    return out;
}

/* ---- Rules */

static bool is_file(enum nx__permit_kind kind)
{
    return kind == NX__PERMIT_READ || kind == NX__PERMIT_WRITE;
}

/* Files, and directories with all below them. */
static bool is_tree(enum nx__permit_kind kind)
{
    return is_file(kind) || kind == NX__PERMIT_FFI || kind == NX__PERMIT_WASM;
}

static bool is_path(enum nx__permit_kind kind, const char *what)
{
    return is_tree(kind) || (kind == NX__PERMIT_RUN && strchr(what, '/'));
}

/* What is asked for, in the form that rules have. */
struct target {
    struct nx__endpoint endpoint; /* its text is the path or name of the other kinds too */
    bool valid;
};

static void target_parse(struct target *target, enum nx__permit_kind kind, const char *what)
{
    if (kind == NX__PERMIT_NET) {
        target->valid = nx__endpoint_parse(what, strlen(what), &target->endpoint) == NX_OK;
    } else if (is_path(kind, what)) {
        target->valid = kind == NX__PERMIT_RUN
                            ? nx__path_resolve_parent(what, target->endpoint.text)
                            : nx__path_resolve(what, target->endpoint.text);
    } else {
        size_t len = strlen(what);
        target->valid = len && len < sizeof target->endpoint.text;
        if (target->valid) memcpy(target->endpoint.text, what, len + 1);
    }
}

static uint8_t any_of(const struct nx__rules *rules)
{
    return atomic_load_explicit(&rules->any, memory_order_relaxed);
}

/* Is it one of those below the pattern's name, whose text begins with its dot? */
static bool is_below(const struct nx__endpoint *name, const struct nx__rule *tail)
{
    return name->len > tail->len &&
           memcmp(name->text + name->len - tail->len, tail->text, tail->len) == 0;
}

static bool matches_net(const struct nx__rule *rule, const struct nx__endpoint *wanted, bool deny)
{
    if (rule->host == NX__HOST_UNIX || wanted->kind == NX__HOST_UNIX)
        return rule->host == wanted->kind &&
               (rule->text[0] == '@' ? strcmp(wanted->text, rule->text) == 0
                                     : nx__path_beneath(wanted->text, rule->text));
    if (rule->port != NX__PORT_ANY && rule->port != wanted->port &&
        (deny || wanted->port != NX__PORT_SOME))
        return false;
    if (rule->host == NX__HOST_ANY) return true;
    if (rule->host == NX__HOST_SUBDOMAINS)
        return wanted->kind == NX__HOST_NAME && is_below(wanted, rule);
    /* Every address includes the denied one; and who connects there comes to this machine. */
    if (deny && rule->host == NX__HOST_ADDRESS && nx__endpoint_wildcard(wanted)) return true;
    if (rule->host != wanted->kind) return false;
    return rule->host == NX__HOST_ADDRESS
               ? nx__network_has(rule->address, rule->prefix, wanted) &&
                     (!rule->scope || rule->scope == wanted->scope)
               : rule->len == wanted->len && memcmp(rule->text, wanted->text, rule->len) == 0;
}

static bool matches_endpoint(const struct nx__rules *rules, enum nx__use use,
                             const struct nx__endpoint *wanted, bool deny)
{
    if (any_of(rules) & use) return true;
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if ((rule->use & use) && matches_net(rule, wanted, deny)) return true;
    return false;
}

enum nx__verdict nx__permissions_endpoint_verdict(const struct nx__permissions *permissions,
                                                  enum nx__use use,
                                                  const struct nx__endpoint *wanted)
{
    if (matches_endpoint(&permissions->deny[NX__PERMIT_NET], use, wanted, true)) return NX__DENIED;
    if (permissions->all) return NX__GRANTED;
    return matches_endpoint(&permissions->allow[NX__PERMIT_NET], use, wanted, false) ? NX__GRANTED
                                                                                     : NX__MISSING;
}

static bool matches(const struct nx__rules *rules, enum nx__permit_kind kind,
                    const struct target *target, bool deny)
{
    if (any_of(rules)) return true;
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next) {
        /* What cannot be resolved could be what is denied. */
        if (!target->valid) return deny;
        bool match = is_tree(kind) ? nx__path_beneath(target->endpoint.text, rule->text)
                                   : strcmp(target->endpoint.text, rule->text) == 0;
        if (match) return true;
    }
    return false;
}

bool nx__is_process_inside(const char *path)
{
    if (!nx__path_beneath(path, "/proc")) return false;
    const char *last = strrchr(path, '/') + 1;
    return strcmp(last, "mem") == 0 || strcmp(last, "environ") == 0;
}

static enum nx__verdict target_verdict(const struct nx__permissions *permissions,
                                       enum nx__permit_kind kind, const struct target *target)
{
    if (matches(&permissions->deny[kind], kind, target, true)) return NX__DENIED;
    if (permissions->all) return NX__GRANTED;
    if (is_file(kind) && target->valid && nx__is_process_inside(target->endpoint.text))
        return NX__MISSING;
    if (kind == NX__PERMIT_ENV && target->valid && nx__environment_is_plain(target->endpoint.text))
        return NX__GRANTED;
    return matches(&permissions->allow[kind], kind, target, false) ? NX__GRANTED : NX__MISSING;
}

enum nx__verdict nx__permissions_net_verdict(const struct nx__permissions *permissions,
                                             enum nx__use use, const char *what)
{
    const struct nx__rules *deny = &permissions->deny[NX__PERMIT_NET];
    bool denies = any_of(deny) || nx__rules_first(deny);
    bool any = permissions->all || (any_of(&permissions->allow[NX__PERMIT_NET]) & use);
    if (any && !denies) return NX__GRANTED;
    struct nx__endpoint wanted;
    if (nx__endpoint_parse(what, strlen(what), &wanted) == NX_OK)
        return nx__permissions_endpoint_verdict(permissions, use, &wanted);
    /* What cannot be read could be what is denied. */
    return denies ? NX__DENIED : NX__MISSING;
}

enum nx__verdict nx__permissions_verdict(const struct nx__permissions *permissions,
                                         enum nx__permit_kind kind, const char *what)
{
    if (kind == NX__PERMIT_NET)
        return nx__permissions_net_verdict(permissions, NX__USE_LISTEN, what);
    const struct nx__rules *deny = &permissions->deny[kind];
    bool denies = any_of(deny) || nx__rules_first(deny);
    if (permissions->all && !denies) return NX__GRANTED;
    if (any_of(&permissions->allow[kind]) && !denies && !is_file(kind)) return NX__GRANTED;
    struct target target;
    target_parse(&target, kind, what);
    return target_verdict(permissions, kind, &target);
}

enum nx__verdict nx__permissions_path_verdict(const struct nx__permissions *permissions,
                                              enum nx__permit_kind kind, const char *resolved)
{
    struct target target = {.valid = resolved != NULL};
    if (resolved) (void)snprintf(target.endpoint.text, sizeof target.endpoint.text, "%s", resolved);
    return target_verdict(permissions, kind, &target);
}

static struct nx__rules *rules_of(struct nx__permissions *permissions,
                                  const struct nx__permission_key *key)
{
    return key->deny ? &permissions->deny[key->kind] : &permissions->allow[key->kind];
}

/* What the entry is, in the form that it is compared in. */
static nx_err entry_parse(enum nx__permit_kind kind, const char *text, size_t len,
                          struct nx__endpoint *out)
{
    if (kind == NX__PERMIT_NET) return nx__pattern_parse(text, len, out) ? NX_EUSAGE : NX_OK;
    char plain[NX__PATH_MAX];
    memcpy(plain, text, len);
    plain[len] = '\0';
    if (!is_path(kind, plain)) {
        memcpy(out->text, plain, len + 1);
        return kind == NX__PERMIT_SYS ? nx__fact_check(plain) : NX_OK;
    }
    /* What a program does hangs on the name that it is started by, where one file has many. */
    if (kind == NX__PERMIT_RUN ? nx__path_resolve_parent(plain, out->text)
                               : nx__path_resolve(plain, out->text))
        return NX_OK;
    return nx__error_set(NX_EUSAGE, "\"%.150s\" is a link to nothing, or too long a path", plain);
}

/* Puts it before the others, which may be read meanwhile. */
static nx_err rule_add(struct nx__rules *rules, const struct nx__endpoint *endpoint,
                       enum nx__use use)
{
    size_t size = strlen(endpoint->text) + 1;
    struct nx__rule *rule = malloc(sizeof *rule + size);
    if (!rule) return nx__error_set(NX_ENOMEM, "out of memory");
    rule->host = endpoint->kind;
    rule->port = endpoint->port;
    rule->scope = endpoint->scope;
    rule->prefix = endpoint->prefix;
    rule->len = (uint16_t)(size - 1);
    rule->use = (uint8_t)use;
    memcpy(rule->address, endpoint->address, sizeof rule->address);
    rule->directory = -1;
    memcpy(rule->text, endpoint->text, size);
    rule->next = atomic_load_explicit(&rules->first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&rules->first, &rule->next, rule,
                                                  memory_order_release, memory_order_relaxed)) {}
    return NX_OK;
}

nx_err nx__rule_copy(struct nx__rules *rules, const struct nx__rule *rule, unsigned use)
{
    struct nx__endpoint same = {
        .kind = rule->host, .port = rule->port, .scope = rule->scope, .prefix = rule->prefix};
    memcpy(same.address, rule->address, sizeof same.address);
    memcpy(same.text, rule->text, rule->len + 1u);
    return rule_add(rules, &same, (enum nx__use)use);
}

nx_err nx__permissions_add(struct nx__permissions *permissions,
                           const struct nx__permission_key *key, const char *text, size_t len)
{
    struct nx__rules *rules = rules_of(permissions, key);
    struct nx__endpoint endpoint = {.kind = NX__HOST_NAME, .port = NX__PORT_ANY};
    if (!len || len >= sizeof endpoint.text || memchr(text, '\0', len))
        return nx__error_set(NX_EUSAGE, "an entry has 1 to %zu bytes, none of them 0",
                             sizeof endpoint.text - 1);
    NX_TRY(entry_parse(key->kind, text, len, &endpoint));
    return rule_add(rules, &endpoint, key->use);
}

/* Whether it is there already. */
static bool has_address(const struct nx__rules *rules, const struct nx__endpoint *address)
{
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (rule->host == NX__HOST_ADDRESS && rule->port == address->port &&
            rule->prefix == NX__ADDRESS_BITS && (rule->use & NX__USE_CONNECT) &&
            memcmp(rule->address, address->address, sizeof rule->address) == 0)
            return true;
    return false;
}

nx_err nx__permissions_led(struct nx__permissions *permissions, const struct nx__endpoint *name,
                           const struct nx__endpoint *address)
{
    struct nx__rules *rules = &permissions->allow[NX__PERMIT_NET];
    struct nx__endpoint wanted = *name, found = *address;
    wanted.port = NX__PORT_SOME;
    found.kind = NX__HOST_ADDRESS;
    found.prefix = NX__ADDRESS_BITS;
    found.text[0] = '\0';
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next) {
        bool by_name = rule->host == NX__HOST_NAME || rule->host == NX__HOST_SUBDOMAINS;
        found.port = rule->port;
        if (!by_name || !(rule->use & NX__USE_CONNECT) || !matches_net(rule, &wanted, false) ||
            has_address(rules, &found))
            continue;
        if (permissions->led == NX__LED_MOST)
            return nx__error_set(NX_ELIMIT, "names have led to %d addresses", NX__LED_MOST);
        NX_TRY(rule_add(rules, &found, NX__USE_CONNECT));
        permissions->led++;
    }
    return NX_OK;
}

nx_err nx__permissions_grant(struct nx__permissions *permissions, enum nx__permit_kind kind,
                             const char *what)
{
    const struct nx__permission_key key = {.kind = kind, .use = NX__USE_ANY};
    return nx__permissions_add(permissions, &key, what, strlen(what));
}

void nx__permissions_add_all(struct nx__permissions *permissions,
                             const struct nx__permission_key *key)
{
    (void)atomic_fetch_or(&rules_of(permissions, key)->any, (uint8_t)key->use);
}

/* ---- Flags */

bool nx__permission_named(const char *name, size_t len, struct nx__permission_key *out)
{
    bool deny = len > 5 && memcmp(name, "deny-", 5) == 0;
    if (deny) {
        name += 5;
        len -= 5;
    }
    *out = (struct nx__permission_key){.use = NX__USE_ANY};
    for (int kind = 0; kind < NX__PERMIT_KINDS; kind++, out->kind++) {
        if (len != strlen(kinds[kind].name) || memcmp(name, kinds[kind].name, len) != 0) continue;
        out->deny = deny;
        return true;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (len != strlen(parts[i].name) || memcmp(name, parts[i].name, len) != 0) continue;
        *out = parts[i].key;
        out->deny = deny;
        return true;
    }
    return false;
}

const char *nx__permission_name(enum nx__permit_kind kind, enum nx__use use)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].key.kind == kind && parts[i].key.use == use) return parts[i].name;
    return kinds[kind].name;
}

static nx_err list_parse(struct nx__permissions *permissions, const struct nx__permission_key *key,
                         const char *flag, size_t flag_len, const char *list)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        if (!len)
            return nx__error_set(NX_EUSAGE, "%.*s= has an empty entry; without a list it is %.*s",
                                 (int)flag_len, flag, (int)flag_len, flag);
        nx_err err = nx__permissions_add(permissions, key, list, len);
        if (err == NX_EUSAGE)
            return nx__error_set(err, "%.*s: %s", (int)flag_len, flag, nx__error_last()->message);
        if (err) return err;
        list += len;
        if (!*list) return NX_OK;
        list++;
    }
}

nx_err nx__permissions_parse(struct nx__permissions *permissions, const char *argument, bool *taken)
{
    struct nx__permission_key key;
    bool deny = strncmp(argument, "--deny-", 7) == 0, allow = strncmp(argument, "--allow-", 8) == 0;
    *taken = true;
    if (strcmp(argument, "--allow-all") == 0) {
        permissions->all = true;
        return NX_OK;
    }
    const char *name = argument + (deny ? 2 : 8), *list = strchr(argument, '=');
    size_t flag_len = list ? (size_t)(list - argument) : strlen(argument);
    *taken = (deny || allow) &&
             nx__permission_named(name, flag_len - (size_t)(name - argument), &key) &&
             key.deny == deny;
    if (*taken && list) return list_parse(permissions, &key, argument, flag_len, list + 1);
    if (*taken) nx__permissions_add_all(permissions, &key);
    return NX_OK;
}

void nx__permissions_free(struct nx__permissions *permissions)
{
    for (int i = 0; i < 2 * NX__PERMIT_KINDS; i++) {
        struct nx__rules *rules = i < NX__PERMIT_KINDS ? &permissions->allow[i]
                                                       : &permissions->deny[i - NX__PERMIT_KINDS];
        for (struct nx__rule *rule = atomic_load(&rules->first), *next; rule; rule = next) {
            next = rule->next;
            if (rule->directory >= 0) (void)close(rule->directory);
            free(rule);
        }
        atomic_store(&rules->first, NULL);
        rules->any = 0;
    }
    permissions->all = false;
}

/* ---- The hook */

struct nx__permissions *nx__permissions_sealed(void)
{
    return atomic_load_explicit(&sealed, memory_order_acquire);
}

/* A file, or what isn't there yet, has no handle, and is walked to. */
static void directories_open(struct nx__rules *rules)
{
    for (struct nx__rule *rule = atomic_load_explicit(&rules->first, memory_order_acquire); rule;
         rule = rule->next)
        if (rule->directory < 0)
            rule->directory = open(rule->text, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void nx__permissions_open(struct nx__permissions *permissions)
{
    directories_open(&permissions->allow[NX__PERMIT_READ]);
    directories_open(&permissions->allow[NX__PERMIT_WRITE]);
}

void nx__permissions_seal(struct nx__permissions *permissions)
{
    nx__programs_seal();
    atomic_store(&sealed, permissions);
}

const char *nx__shell_word(char *out, size_t size, const char *text)
{
    size_t n = 0;
    if (!strpbrk(text, " \t'\"\\$`&|;<>()*?[]#~!")) return text;
    out[n++] = '\'';
    for (; *text && n + 6 < size; text++) {
        if (*text == '\'') {
            memcpy(out + n, "'\\'", 3); /* out of the quotes, and a quote */
            n += 3;
        }
        out[n++] = *text;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}

_Atomic bool nx__permit_given_up;

static const char *given_up(void)
{
    return nx__permit_given_up ? ", or the program has given it up" : "";
}

nx_err nx__permit_refuse_all(const struct nx__permission_key *key, enum nx__verdict verdict)
{
    const char *name = nx__permission_name(key->kind, key->use);
    if (verdict == NX__DENIED)
        return nx__error_set(NX_EPERM, "it is denied by --deny-%s%s", name, given_up());
    return nx__error_set(NX_EPERM, "not all is allowed; run with --allow-%s", name);
}

nx_err nx__permit_refuse_doing(const char *doing, enum nx__permit_kind kind, const char *what,
                               enum nx__verdict verdict)
{
    char clean[NX__ERROR_MESSAGE_MAX / 3];
    nx__printable(clean, sizeof clean, what);
    bool plain = kind == NX__PERMIT_NET || kind == NX__PERMIT_ENV || kind == NX__PERMIT_SYS;
    const char *quote = plain ? "" : "\"";
    if (verdict == NX__DENIED)
        return nx__error_set(NX_EPERM, "%s %s%s%s is denied by --deny-%s%s", doing, quote, clean,
                             quote, kinds[kind].name, given_up());
    struct target target;
    target_parse(&target, kind, what);
    if (is_file(kind) && target.valid && nx__is_process_inside(target.endpoint.text))
        return nx__error_set(NX_EPERM, "%s \"%s\" is not allowed; run with --allow-all", doing,
                             clean);
    if (kind == NX__PERMIT_NET && !target.valid) return NX_EINVAL;
    char word[NX__ERROR_MESSAGE_MAX / 2];
    return nx__error_set(NX_EPERM, "%s %s%s%s is not allowed; run with --allow-%s=%s", doing, quote,
                         clean, quote, kinds[kind].name, nx__shell_word(word, sizeof word, clean));
}

nx_err nx__permit_refuse(enum nx__permit_kind kind, const char *what, enum nx__verdict verdict)
{
    return nx__permit_refuse_doing(kinds[kind].doing, kind, what, verdict);
}

nx_err nx__permit_kind(enum nx__permit_kind kind, const char *what)
{
    const struct nx__permissions *permissions = nx__permissions_sealed();
    if (!permissions || !any_of(&permissions->deny[kind])) return NX_OK;
    return nx__permit_refuse(kind, what, NX__DENIED);
}

nx_err nx__permit(enum nx__permit_kind kind, const char *what)
{
    struct nx__permissions *permissions = nx__permissions_sealed();
    if (!permissions) return NX_OK;
    enum nx__verdict verdict = nx__permissions_verdict(permissions, kind, what);
    nx__access(kind, kind == NX__PERMIT_NET ? NX__USE_LISTEN : NX__USE_ANY, what,
               verdict == NX__GRANTED);
    if (nx__likely(verdict == NX__GRANTED)) return NX_OK;
    static const struct nx__permission_key listen = {.kind = NX__PERMIT_NET, .use = NX__USE_LISTEN};
    enum nx__asked asked = verdict == NX__MISSING && kind == NX__PERMIT_NET
                               ? nx__broker_ask(what, NX__ASK_LISTEN)
                               : NX__ASKED_NO;
    if (asked == NX__ASKED_ONCE) return NX_OK;
    if (asked == NX__ASKED_YES)
        return nx__permissions_add(permissions, &listen, what, strlen(what));
    return nx__permit_refuse(kind, what, verdict);
}
