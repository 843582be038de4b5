/* Shows what the name servers know of a name:
 *
 *     nexus run app.c --allow-net=example.com -- example.com
 *     nexus run app.c --allow-net=example.com -- example.com MX
 *     nexus run app.c --allow-net=example.com,192.0.2.53 -- example.com TXT 192.0.2.53 */
#include <nexus/dns.h>
#include <stdio.h>
#include <strings.h>

static const struct {
    const char *name;
    nx_dns_type type;
} types[] = {{"A", NX_DNS_A},     {"AAAA", NX_DNS_AAAA}, {"CNAME", NX_DNS_CNAME},
             {"MX", NX_DNS_MX},   {"NS", NX_DNS_NS},     {"PTR", NX_DNS_PTR},
             {"SRV", NX_DNS_SRV}, {"TXT", NX_DNS_TXT}};

static nx_err addresses(const char *name)
{
    nx_dns_addresses found;
    NX_TRY(nx_dns_lookup(name, &found));
    for (size_t i = 0; i < found.count; i++) printf("%s\n", nx_address_text(&found.items[i]));
    return NX_OK;
}

static void show(const nx_dns_record *r, nx_dns_type type)
{
    printf("%s %u ", r->name, r->ttl);
    if (type == NX_DNS_A || type == NX_DNS_AAAA)
        printf("%s\n", nx_address_text(&r->address));
    else if (type == NX_DNS_TXT)
        printf("\"%.*s\"\n", NX_FMT(r->text));
    else if (type == NX_DNS_MX)
        printf("%u %s\n", r->priority, r->target);
    else if (type == NX_DNS_SRV)
        printf("%u %u %u %s\n", r->priority, r->weight, r->port, r->target);
    else
        printf("%s\n", r->target);
}

static nx_err records(const char *name, const char *type_name, const char *server)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(types[i].name, type_name) != 0) continue;
        nx_dns_records found;
        NX_TRY(nx_dns_query(name, types[i].type, &found, .server = server));
        for (size_t k = 0; k < found.count; k++) show(&found.items[k], types[i].type);
        return NX_OK;
    }
    return nx_fail(NX_EUSAGE, "\"%s\" is no type of records here", type_name);
}

int main(int argc, char **argv)
{
    if (argc == 2) return addresses(argv[1]);
    if (argc == 3 || argc == 4) return records(argv[1], argv[2], argv[3]);
    return nx_fail(NX_EUSAGE, "usage: app.c NAME [TYPE [SERVER]]");
}
