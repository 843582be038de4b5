/* Control groups, of either version. */
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool nx__text_read(const char *folder, const char *file, char *out, size_t size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (length < 0 || (size_t)length >= sizeof path) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n;
    do n = read(fd, out, size - 1);
    while (n < 0 && errno == EINTR);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The group and those above it. */
static void walk(const char *mount, const char *group, size_t len, bool first_version,
                 nx__cgroup_visit *visit, void *arg)
{
    char path[PATH_MAX];
    size_t base = strlen(mount), at = base + len;
    if (at >= sizeof path) return;
    memcpy(path, mount, base);
    memcpy(path + base, group, len);
    for (;;) {
        path[at] = '\0';
        visit(path, first_version, arg);
        if (at == base) return;
        do at--;
        while (at > base && path[at] != '/');
    }
}

static void walk_below(const char *root, const char *mount, const char *group, size_t len,
                       bool first_version, nx__cgroup_visit *visit, void *arg)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s", root, mount);
    if (n > 0 && (size_t)n < sizeof path) walk(path, group, len, first_version, visit, arg);
}

/* Is it among the controllers, which commas separate? */
static bool has_controller(const char *names, size_t len, const char *controller)
{
    while (len) {
        const char *comma = memchr(names, ',', len);
        size_t n = comma ? (size_t)(comma - names) : len;
        if (n == strlen(controller) && memcmp(names, controller, n) == 0) return true;
        n += comma != NULL;
        names += n;
        len -= n;
    }
    return false;
}

void nx__cgroup_walk(const char *groups, const char *root, const char *controller,
                     nx__cgroup_visit *visit, void *arg)
{
    char mount[64];
    (void)snprintf(mount, sizeof mount, "/%s", controller);
    for (const char *line = groups; *line;) {
        size_t len = strcspn(line, "\n");
        const char *names = memchr(line, ':', len);
        const char *group = names ? memchr(names + 1, ':', len - (size_t)(names + 1 - line)) : NULL;
        if (group) {
            size_t names_len = (size_t)(group - names - 1);
            size_t group_len = len - (size_t)(group + 1 - line);
            /* With both versions the second one is mounted at "unified". */
            if (!names_len) {
                walk_below(root, "", group + 1, group_len, false, visit, arg);
                walk_below(root, "/unified", group + 1, group_len, false, visit, arg);
            } else if (has_controller(names + 1, names_len, controller)) {
                walk_below(root, mount, group + 1, group_len, true, visit, arg);
            }
        }
        line += len + (line[len] == '\n');
    }
}
