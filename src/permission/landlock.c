/* Landlock. */
#include "permission/landlock.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
    uint64_t files, ports, scopes;
};
struct __attribute__((packed)) path_rule {
    uint64_t access;
    int32_t fd;
};
struct port_rule {
    uint64_t access, port;
};
enum { RULE_PATH = 1, RULE_PORT = 2, GIVE_VERSION = 1 };

/* What a file that is no directory can be allowed. */
static const uint64_t OF_ONE_FILE = NX__FILES_EXECUTE | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;

/* Rights by the version that brought them. */
static uint64_t files_known(int version)
{
    uint64_t known = (1 << 13) - 1;
    if (version >= 2) known |= 1 << 13;
    if (version >= 3) known |= 1 << 14;
    if (version >= 5) known |= 1 << 15;
    return known;
}

int nx__landlock_version(void)
{
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GIVE_VERSION);
    return version > 0 ? version : 0;
}

bool nx__landlock_begin(struct nx__landlock *l)
{
    int version = nx__landlock_version();
    l->rules = -1;
    if (!version) return false;
    l->files &= files_known(version);
    if (version < 4) l->ports = 0;
    if (version < 6) l->scopes = 0;
    struct ruleset ruleset = {.files = l->files, .ports = l->ports, .scopes = l->scopes};
    size_t size = version >= 6   ? sizeof ruleset
                  : version >= 4 ? offsetof(struct ruleset, scopes)
                                 : offsetof(struct ruleset, ports);
    l->rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0u);
    return l->rules >= 0;
}

void nx__landlock_allow_open(const struct nx__landlock *l, int fd, uint64_t files)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) files &= OF_ONE_FILE;
    struct path_rule rule = {.access = files & l->files, .fd = fd};
    if (rule.access) (void)syscall(SYS_landlock_add_rule, l->rules, RULE_PATH, &rule, 0u);
}

void nx__landlock_allow(const struct nx__landlock *l, const char *path, uint64_t files)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return;
    nx__landlock_allow_open(l, fd, files);
    (void)close(fd);
}

void nx__landlock_allow_port(const struct nx__landlock *l, uint16_t port, uint64_t ports)
{
    struct port_rule rule = {.access = ports & l->ports, .port = port};
    if (rule.access) (void)syscall(SYS_landlock_add_rule, l->rules, RULE_PORT, &rule, 0u);
}

bool nx__landlock_hold(struct nx__landlock *l)
{
    bool held = syscall(SYS_landlock_restrict_self, l->rules, 0u) == 0;
    (void)close(l->rules);
    l->rules = -1;
    return held;
}
