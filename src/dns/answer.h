/* Records out of an answer. */
#ifndef NX__DNS_ANSWER_H
#define NX__DNS_ANSWER_H

#include <ares.h>
#include <nexus/dns.h>

/* Aliases that are followed, one after the other. */
enum { NX__DNS_ALIASES_MAX = 16 };

/* The records of a type that the answer has for the name, or for what its aliases lead to; memory
 * of the current scope. `out->count` is 0 where it has none. NX_EPROTO (aliases that go round, or
 * are too many), NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__dns_records(const ares_dns_record_t *answer, const char *name,
                                     nx_dns_type type, nx_dns_records *out);

#endif
