/* The machine. */
#include "host/host.h"

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/error.h"
#include "permission/facts.h"
#include <inttypes.h>
#include <nexus/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { TEXT_MOST = 8192 };

/* ---- Memory */

/* The number behind a name, in a file of "NAME VALUE" lines; `fallback` where it isn't there. */
static uint64_t number_of(const char *text, const char *name, uint64_t fallback)
{
    size_t len = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, name, len) == 0) return strtoull(line + len, NULL, 10);
    return fallback;
}

static void memory_note(const char *folder, bool first_version, void *arg)
{
    struct nx__memory_left *left = arg;
    char text[TEXT_MOST];
    const char *limit_file = first_version ? "memory.limit_in_bytes" : "memory.max",
               *usage_file = first_version ? "memory.usage_in_bytes" : "memory.current",
               *cache_name = first_version ? "total_inactive_file " : "inactive_file ";
    if (!nx__text_read(folder, limit_file, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return; /* "max" */
    uint64_t limit = strtoull(text, NULL, 10), used = 0, cached = 0;
    if (limit >= INT64_MAX - 0xffff) return; /* how the first version says that there is none */
    if (nx__text_read(folder, usage_file, text, sizeof text)) used = strtoull(text, NULL, 10);
    /* Pages of files that nobody uses go when memory is wanted. */
    if (nx__text_read(folder, "memory.stat", text, sizeof text))
        cached = number_of(text, cache_name, 0);
    used = cached < used ? used - cached : 0;
    uint64_t available = used < limit ? limit - used : 0;
    if (limit < left->total) left->total = limit;
    if (available < left->available) left->available = available;
}

struct nx__memory_left nx__memory_left(const char *groups, const char *root)
{
    struct nx__memory_left left = {UINT64_MAX, UINT64_MAX};
    nx__cgroup_walk(groups, root, "memory", memory_note, &left);
    return left;
}

static void memory_get(nx_host *host)
{
    char text[TEXT_MOST];
    struct nx__memory_left left = {UINT64_MAX, UINT64_MAX};
    if (nx__text_read("/proc", "meminfo", text, sizeof text)) {
        host->memory = number_of(text, "MemTotal:", 0) * 1024;
        host->memory_available = number_of(text, "MemAvailable:", 0) * 1024;
    }
    if (nx__text_read("/proc/self", "cgroup", text, sizeof text))
        left = nx__memory_left(text, "/sys/fs/cgroup");
    if (left.total < host->memory) host->memory = left.total;
    if (left.available < host->memory_available) host->memory_available = left.available;
}

/* ---- The system */

/* os-release has the syntax of .env files. */
static nx_err system_get(nx_host *host)
{
    char text[TEXT_MOST];
    nx_env_variable *lines;
    size_t count;
    if (!nx__text_read("/etc", "os-release", text, sizeof text) &&
        !nx__text_read("/usr/lib", "os-release", text, sizeof text))
        return NX_OK;
    nx_err err = nx_env_parse(nx_str(text), &lines, &count);
    if (err) return err == NX_ENOMEM ? err : NX_OK;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(lines[i].name, "ID") == 0) host->system = lines[i].value;
        if (strcmp(lines[i].name, "VERSION_ID") == 0) host->version = lines[i].value;
        if (strcmp(lines[i].name, "PRETTY_NAME") == 0) host->title = lines[i].value;
    }
    return NX_OK;
}

/* What every program knows from how it was built, too. */
static nx_err names_get(nx_host *host)
{
    struct utsname names;
    if (uname(&names) != 0) memset(&names, 0, sizeof names);
    bool name = nx__fact_granted(NX__FACT_HOSTNAME), os = nx__fact_granted(NX__FACT_OS);
    host->name = nx_copy(nx_str(name ? names.nodename : ""));
    host->kernel = nx_copy(nx_str(names.sysname));
    host->release = nx_copy(nx_str(os ? names.release : ""));
    host->architecture = nx_copy(nx_str(names.machine));
    host->page_size = (size_t)sysconf(_SC_PAGESIZE);
    host->system = host->version = host->title = "";
    if (!host->name || !host->kernel || !host->release || !host->architecture) return NX_ENOMEM;
    return os ? system_get(host) : NX_OK;
}

nx_err nx_host_get(nx_host *out)
{
    nx_host host = {0};
    bool cpus = nx__fact_granted(NX__FACT_CPUS), memory = nx__fact_granted(NX__FACT_MEMORY),
         uptime = nx__fact_granted(NX__FACT_UPTIME), load = nx__fact_granted(NX__FACT_LOAD);
    if (!cpus && !memory && !uptime && !load && !nx__fact_granted(NX__FACT_HOSTNAME) &&
        !nx__fact_granted(NX__FACT_OS))
        return nx__facts_refuse();
    NX_TRY(names_get(&host));
    if (memory) memory_get(&host);
    if (cpus) host.cpus = nx__cpus();
    if (uptime) host.uptime = nx__clock(CLOCK_BOOTTIME);
    if (!load || getloadavg(host.load, 3) != 3) memset(host.load, 0, sizeof host.load);
    NX__HOST_GIVE(out, host);
    return NX_OK;
}
