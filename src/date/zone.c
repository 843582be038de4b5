/* Zones of the system, and dates by their clocks. */
#include "date/zone.h"

#include "base/error.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <nexus/runtime.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ZONEINFO  "/usr/share/zoneinfo/"
#define LOCALTIME "/etc/localtime"

/* Of the program; they stay. There are no more than the system has names. */
static nx_zone *zones;
static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- Reading */

struct reading {
    const char *path;
    nx_zone *zone;
    const char *wrong;
    int system;
};

static void read_file(struct reading *job, int fd)
{
    size_t len = 0;
    ssize_t n = 1;
    char *data = malloc(NX__ZONE_FILE_MOST);
    if (!data) {
        job->system = ENOMEM;
        return;
    }
    while (n > 0 && len < NX__ZONE_FILE_MOST) {
        n = read(fd, data + len, NX__ZONE_FILE_MOST - len);
        if (n > 0) len += (size_t)n;
        if (n < 0 && errno == EINTR) n = 1;
    }
    if (n < 0)
        job->system = errno;
    else if (len == NX__ZONE_FILE_MOST)
        job->wrong = "it is too large";
    else
        job->wrong = nx__zone_file_read(nx_slice(data, len), job->zone);
    if (job->wrong == nx__zone_no_memory) job->system = ENOMEM;
    free(data);
}

static nx_err read_zone(void *arg)
{
    struct reading *job = arg;
    int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        job->system = errno;
        return NX_OK;
    }
    read_file(job, fd);
    (void)close(fd);
    return NX_OK;
}

/* Names of zoneinfo have no dots, so that none leads out of it, and no empty parts, so that each
 * zone has one name, or it would be kept many times. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    if (!len || len > NX__ZONE_NAME_MOST || !isalpha((unsigned char)name[0])) return false;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("_+-/", *name)) return false;
        if (*name == '/' && (name[1] == '/' || !name[1])) return false;
    }
    return true;
}

static nx_err read_named(const char *name, const char *path, nx_zone *out)
{
    struct reading job = {.path = path, .zone = out};
    NX_TRY(nx_blocking(read_zone, &job));
    if (job.system == ENOENT || job.system == ENOTDIR)
        return nx__error_set(NX_ENOENT, "there is no time zone \"%.64s\"%s", name,
                             access(ZONEINFO "UTC", F_OK) == 0
                                 ? ""
                                 : ": the system has no " ZONEINFO
                                   "; install it (Debian: apt-get install tzdata)");
    if (job.system == EISDIR)
        return nx__error_set(NX_EINVAL, "\"%.64s\" is not a time zone, but has some", name);
    if (job.system)
        return nx__error_system(job.system, "cannot read the time zone \"%.64s\"", name);
    if (job.wrong)
        return nx__error_set(NX_EINVAL, "cannot read the time zone \"%.64s\": %s", name, job.wrong);
    return NX_OK;
}

/* What the environment says of the program's own. */
static nx_err read_own(const char *tz, nx_zone *out)
{
    if (!tz) {
        nx_err err = read_named("localtime", LOCALTIME, out);
        if (err != NX_ENOENT) return err;
        tz = "UTC0"; /* as libc has it */
    }
    if (*tz == ':') tz++;
    if (strncmp(tz, ZONEINFO, sizeof ZONEINFO - 1) == 0) tz += sizeof ZONEINFO - 1;
    if (!*tz) tz = "UTC0";
    if (is_name(tz)) {
        char path[sizeof ZONEINFO + NX__ZONE_NAME_MOST] = ZONEINFO;
        strncat(path, tz, NX__ZONE_NAME_MOST);
        nx_err err = read_named(tz, path, out);
        if (err != NX_ENOENT) return err;
        nx__zone_free(out);
    }
    const char *wrong = nx__zone_rule_read(nx_str(tz), &out->rule);
    if (wrong)
        return nx__error_set(
            NX_EINVAL, "TZ=%.80s in the environment is neither a time zone nor a rule for one: %s",
            tz, wrong);
    out->has_rule = true;
    return NX_OK;
}

static nx_zone *known(const char *name)
{
    nx_zone *zone = zones;
    while (zone && strcmp(zone->name, name) != 0) zone = zone->next;
    return zone;
}

/* Keeps a zone, unless another fiber has been first. */
static const nx_zone *keep(nx_zone *zone)
{
    (void)pthread_mutex_lock(&zones_lock);
    nx_zone *first = known(zone->name);
    if (!first) {
        zone->next = zones;
        zones = zone;
    }
    (void)pthread_mutex_unlock(&zones_lock);
    if (!first) return zone;
    nx__zone_free(zone);
    free(zone);
    return first;
}

nx_err nx_zone_open(const nx_zone **out, const char *name)
{
    const char *key = name ? name : "";
    *out = NULL;
    if (name && !is_name(name))
        return nx__error_set(
            NX_EINVAL, "\"%.64s\" is no name of a time zone, such as \"Europe/Berlin\"", name);
    (void)pthread_mutex_lock(&zones_lock);
    *out = known(key);
    (void)pthread_mutex_unlock(&zones_lock);
    if (*out) return NX_OK;
    nx_zone *zone = calloc(1, sizeof *zone);
    if (!zone) return nx__error_set(NX_ENOMEM, "cannot read a time zone: out of memory");
    char path[sizeof ZONEINFO + NX__ZONE_NAME_MOST] = ZONEINFO;
    strncat(path, key, NX__ZONE_NAME_MOST);
    nx_err err = name ? read_named(name, path, zone) : read_own(getenv("TZ"), zone);
    if (err) {
        nx__zone_free(zone);
        free(zone);
        return err;
    }
    strncat(zone->name, key, NX__ZONE_NAME_MOST);
    *out = keep(zone);
    return NX_OK;
}

/* ---- Asking */

static int offset_at(const nx_zone *zone, int64_t seconds)
{
    return zone ? nx__zone_at(zone, seconds)->offset : 0;
}

const char *nx_zone_abbreviation(const nx_zone *zone, nx_time time)
{
    return zone ? nx__zone_at(zone, nx__floor_div(time, NX_S(1)))->name : "UTC";
}

nx_date nx_date_local(nx_time time, const nx_zone *zone)
{
    int nanosecond;
    int64_t seconds = nx__seconds_of(time, &nanosecond);
    int offset = offset_at(zone, seconds);
    return nx__date_of_clock(seconds + offset, nanosecond, offset);
}

nx_err nx_date_in_zone(nx_date *date, const nx_zone *zone)
{
    nx_date d = *date;
    bool leaps = d.second == 60; /* whether it may depends on the offset */
    d.offset = 0;
    d.unknown_place = false;
    if (leaps) d.second = 59;
    NX_TRY(nx__date_check(&d));
    /* No clock is set twice within two days. */
    int64_t clock = nx__date_clock(&d);
    int before = offset_at(zone, clock - NX__DAY), after = offset_at(zone, clock + NX__DAY);
    bool by_before = offset_at(zone, clock - before) == before;
    bool by_after = offset_at(zone, clock - after) == after;
    if (by_before || by_after) {
        d.offset = by_before && (!by_after || before > after) ? before : after;
        if (leaps) d.second = 60;
    } else {
        /* Left out: by the clock as it was before, told by the clock as it is then. */
        d = nx__date_of_clock(clock - before + after, d.nanosecond, after);
    }
    NX_TRY(nx__date_check(&d));
    *date = d;
    return NX_OK;
}
