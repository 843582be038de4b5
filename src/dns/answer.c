/* Records out of an answer. */
#include "dns/answer.h"

#include "base/error.h"
#include <netinet/in.h>
#include <strings.h>

/* Names are the same in upper and lower case, and with the root's dot. */
static bool same_name(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len && a[a_len - 1] == '.') a_len--;
    if (b_len && b[b_len - 1] == '.') b_len--;
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static const ares_dns_rr_t *record_at(const ares_dns_record_t *answer, size_t i)
{
    return ares_dns_record_rr_get_const(answer, ARES_SECTION_ANSWER, i);
}

static bool is_of(const ares_dns_rr_t *rr, const char *name, ares_dns_rec_type_t type)
{
    return ares_dns_rr_get_type(rr) == type && ares_dns_rr_get_class(rr) == ARES_CLASS_IN &&
           same_name(ares_dns_rr_get_name(rr), name);
}

static const char *alias_of(const ares_dns_record_t *answer, const char *name)
{
    for (size_t i = 0; i < ares_dns_record_rr_cnt(answer, ARES_SECTION_ANSWER); i++) {
        const ares_dns_rr_t *rr = record_at(answer, i);
        if (is_of(rr, name, ARES_REC_TYPE_CNAME))
            return ares_dns_rr_get_str(rr, ARES_RR_CNAME_CNAME);
    }
    return NULL;
}

/* ---- One record */

static ares_dns_rr_key_t target_key(nx_dns_type type)
{
    switch (type) {
    case NX_DNS_NS: return ARES_RR_NS_NSDNAME;
    case NX_DNS_CNAME: return ARES_RR_CNAME_CNAME;
    case NX_DNS_PTR: return ARES_RR_PTR_DNAME;
    case NX_DNS_MX: return ARES_RR_MX_EXCHANGE;
    case NX_DNS_SRV: return ARES_RR_SRV_TARGET;
    default: return (ares_dns_rr_key_t)0;
    }
}

static void address_read(const ares_dns_rr_t *rr, nx_dns_type type, nx_address *out)
{
    const struct in_addr *v4 = NULL;
    const struct ares_in6_addr *v6 = NULL;
    if (type == NX_DNS_A) v4 = ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR);
    if (type == NX_DNS_AAAA) v6 = ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR);
    if (v4) {
        out->kind = NX_ADDRESS_V4;
        memcpy(out->ip, v4, 4);
    } else if (v6) {
        out->kind = NX_ADDRESS_V6;
        memcpy(out->ip, v6, 16);
    }
}

static nx_err record_read(const ares_dns_rr_t *rr, nx_dns_type type, nx_dns_record *out)
{
    const char *target = target_key(type) ? ares_dns_rr_get_str(rr, target_key(type)) : NULL;
    size_t len = 0;
    const unsigned char *text =
        type == NX_DNS_TXT ? ares_dns_rr_get_bin(rr, ARES_RR_TXT_DATA, &len) : NULL;
    char *copy = nx_copy(nx_slice(text ? (const char *)text : "", text ? len : 0));
    *out = (nx_dns_record){.name = nx_copy(nx_str(ares_dns_rr_get_name(rr))),
                           .ttl = ares_dns_rr_get_ttl(rr),
                           .target = nx_copy(nx_str(target))};
    if (!copy || !out->name || !out->target) return NX_ENOMEM;
    out->text = nx_slice(copy, text ? len : 0);
    address_read(rr, type, &out->address);
    if (type == NX_DNS_MX) out->priority = ares_dns_rr_get_u16(rr, ARES_RR_MX_PREFERENCE);
    if (type == NX_DNS_SRV) {
        out->priority = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PRIORITY);
        out->weight = ares_dns_rr_get_u16(rr, ARES_RR_SRV_WEIGHT);
        out->port = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PORT);
    }
    return NX_OK;
}

/* ---- All of them */

/* Lower ones first; those that are equal stay as they came. */
static void insert(nx_dns_record *items, size_t count, nx_dns_record record)
{
    size_t i = count;
    for (; i && items[i - 1].priority > record.priority; i--) items[i] = items[i - 1];
    items[i] = record;
}

static nx_err name_follow(const ares_dns_record_t *answer, const char **name)
{
    const char *asked = *name;
    for (int i = 0; i <= NX__DNS_ALIASES_MAX; i++) {
        const char *alias = alias_of(answer, *name);
        if (!alias) return NX_OK;
        *name = alias;
    }
    return nx__error_set(NX_EPROTO,
                         "cannot look up \"%.120s\": its aliases go round, or are more than %d",
                         asked, NX__DNS_ALIASES_MAX);
}

nx_err nx__dns_records(const ares_dns_record_t *answer, const char *name, nx_dns_type type,
                       nx_dns_records *out)
{
    size_t all = ares_dns_record_rr_cnt(answer, ARES_SECTION_ANSWER), count = 0;
    *out = (nx_dns_records){0};
    if (type != NX_DNS_CNAME) NX_TRY(name_follow(answer, &name));
    for (size_t i = 0; i < all; i++)
        count += is_of(record_at(answer, i), name, (ares_dns_rec_type_t)type);
    if (!count) return NX_OK;
    nx_dns_record *items = nx_alloc_zero(count, sizeof *items);
    if (!items) return NX_ENOMEM;
    for (size_t i = 0, n = 0; i < all && n < count; i++) {
        nx_dns_record record;
        if (!is_of(record_at(answer, i), name, (ares_dns_rec_type_t)type)) continue;
        NX_TRY(record_read(record_at(answer, i), type, &record));
        insert(items, n++, record);
    }
    *out = (nx_dns_records){items, count};
    return NX_OK;
}
