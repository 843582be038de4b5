/* Patterns of the network that a grant names: what parses is one that compares, and all that it is
 * made of is spelled so that it parses to the same again. */
#include "permission/network.h"
#include "permission/permission.h"
#include "permission/rules.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool what)
{
    if (!what) abort();
}

/* One that has no "unix:" in it asks nothing of the disk. */
static bool is_path(const char *text, size_t size)
{
    return size >= 5 && memcmp(text, "unix:", 5) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx__endpoint pattern, plain;
    const char *text = (const char *)data;
    if (size > 512 || is_path(text, size)) return 0;
    bool good = nx__pattern_parse(text, size, &pattern) == NX_OK;
    bool single = nx__endpoint_parse(text, size, &plain) == NX_OK;
    /* An address is a pattern, of itself; but for interfaces, of which the kernel takes strange
     * names. */
    require(!single || good || memchr(text, '%', size));
    if (!good) return 0;
    require(pattern.port >= NX__PORT_ANY && pattern.port <= UINT16_MAX);
    require(pattern.prefix <= NX__ADDRESS_BITS);
    require(memchr(pattern.text, '\0', NX__HOST_NAME_MAX + 2));
    if (pattern.kind == NX__HOST_SUBDOMAINS) require(pattern.text[0] == '.' && pattern.text[1]);
    if (pattern.kind == NX__HOST_ADDRESS && !nx__endpoint_wildcard(&pattern)) {
        struct nx__endpoint first = pattern; /* a network has its own first address in it */
        require(nx__network_has(pattern.address, pattern.prefix, &first));
        first.address[0] ^= 0x80;
        require(!pattern.prefix || !nx__network_has(pattern.address, pattern.prefix, &first));
    }
    struct nx__permissions p = {0};
    const struct nx__permission_key allow = {.kind = NX__PERMIT_NET, .use = NX__USE_ANY};
    nx_err err = nx__permissions_add(&p, &allow, text, size);
    require(err == NX_OK || err == NX_ENOMEM);
    if (single && !err)
        require(nx__permissions_endpoint_verdict(&p, NX__USE_CONNECT, &plain) == NX__GRANTED);
    nx__permissions_free(&p);
    return 0;
}
