/* Settings of a server, from a file that people write, checked before anything starts:
 *
 *     nexus run app.c --allow-read=app.toml */
#include <nexus/toml.h>
#include <stdio.h>

static nx_err read_site(nx_toml site)
{
    nx_bytes host, root = nx_str("public");
    bool compress = true;
    NX_TRY(nx_toml_need(site, &host, "host"));
    NX_TRY(nx_toml_maybe(site, &root, "root"));
    NX_TRY(nx_toml_maybe(site, &compress, "compress"));
    if (!host.len) return nx_toml_fail(nx_toml_get(site, "host"), "a host has a name");
    printf("%.*s from %.*s%s\n", NX_FMT(host), NX_FMT(root), compress ? ", compressed" : "");
    return NX_OK;
}

int main(void)
{
    nx_toml config;
    uint16_t port = 3000;
    NX_TRY(nx_toml_read("app.toml", &config));
    NX_TRY(nx_toml_maybe(config, &port, "server", "port"));
    printf("port %u\n", port);
    for (nx_toml_each each = nx_toml_begin(nx_toml_get(config, "sites")); nx_toml_next(&each);)
        NX_TRY(read_site(each.value));
    return NX_OK;
}
