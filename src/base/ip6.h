/* IPv6 addresses as text, with the zone that a link-local one has (RFC 4007 11): "2001:db8::1",
 * "fe80::1%eth0", "fe80::1%2". */
#ifndef NX__IP6_H
#define NX__IP6_H

#include <stdbool.h>
#include <stdint.h>

enum { NX__IP6_MAX = 64 }; /* an address and a zone, with the NUL */

/* Reads an address without brackets; `*scope` is the number of its zone's interface, 0 without one.
 * False for anything else: a zone of an address that has none, or no such interface. */
bool nx__ip6_parse(const char *text, uint8_t address[16], uint32_t *scope);

/* The other way: by the interface's name, or its number where it has none any more. */
void nx__ip6_spell(const uint8_t address[16], uint32_t scope, char out[NX__IP6_MAX]);

#endif
