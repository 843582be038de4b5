/* Answers of name servers: whatever comes, it is read within bounds, and what is taken from it
 * belongs to the name. */
#include "dns/answer.h"
#include "memory.h"
#include <strings.h>

static const nx_dns_type types[] = {NX_DNS_A,  NX_DNS_NS,  NX_DNS_CNAME, NX_DNS_PTR,
                                    NX_DNS_MX, NX_DNS_TXT, NX_DNS_AAAA,  NX_DNS_SRV};

static void records_check(const nx_dns_records *found, nx_dns_type type)
{
    for (size_t i = 0; i < found->count; i++) {
        const nx_dns_record *r = &found->items[i];
        check(r->name && r->target && (type == NX_DNS_TXT || !r->text.len));
        check(!i || found->items[i - 1].priority <= r->priority);
        check(strcasecmp(r->name, found->items[0].name) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ares_dns_record_t *answer = NULL;
    if (ares_dns_parse(data, size, 0, &answer) != ARES_SUCCESS) return 0;
    const char *name = NULL;
    memory_begin();
    if (ares_dns_record_query_get(answer, 0, &name, NULL, NULL) == ARES_SUCCESS)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            nx_dns_records found;
            nx_err err = nx__dns_records(answer, name, types[i], &found);
            check(!err || (!found.count && (err == NX_EPROTO || err == NX_ENOMEM)));
            records_check(&found, types[i]);
        }
    memory_end();
    ares_dns_record_destroy(answer);
    return 0;
}
