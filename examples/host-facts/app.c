/* Says where it runs: nexus run app.c --allow-sys */
#include <nexus.h>

static const char *mib(uint64_t bytes)
{
    return nx_format("%llu MiB", (unsigned long long)(bytes >> 20));
}

int main(void)
{
    nx_host host = {.size = sizeof host};
    nx_user user = {.size = sizeof user};
    nx_self self = {.size = sizeof self};
    nx_interface *networks;
    size_t count;
    const char *cache;
    NX_TRY(nx_host_get(&host));
    NX_TRY(nx_user_get(&user));
    NX_TRY(nx_self_get(&self));
    NX_TRY(nx_host_interfaces(&networks, &count));
    NX_TRY(nx_user_dir(NX_DIR_CACHE, "host-facts", &cache));

    NX_AUTO(nx_table) *table = nx_table_new("what", "is");
    nx_table_row(table, "host", host.name);
    nx_table_row(table, "system", host.title);
    nx_table_row(table, "kernel",
                 nx_format("%s %s, %s", host.kernel, host.release, host.architecture));
    nx_table_row(table, "CPUs", nx_format("%u, load %.2f", host.cpus, host.load[0]));
    nx_table_row(table, "memory",
                 nx_format("%s, %s available", mib(host.memory), mib(host.memory_available)));
    nx_table_row(table, "user",
                 nx_format("%s (%u) in %s", user.name, (unsigned)user.uid, user.home));
    nx_table_row(table, "cache", cache);
    nx_table_row(table, "program",
                 nx_format("%s, process %d, %s", self.program, (int)self.pid, mib(self.memory)));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; networks[i].up && k < networks[i].address_count; k++)
            nx_table_row(table, networks[i].name,
                         nx_format("%s/%u", networks[i].addresses[k].address,
                                   networks[i].addresses[k].prefix));
    return nx_table_print(table);
}
