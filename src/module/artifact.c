/* Compiled WebAssembly in a file of its own: machine code, with what it was made for behind it. */
#include "module/artifact.h"

#include "module/internal.h"
#include "wasm/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The end of such a file, in the order of bytes of all machines that there are. */
struct tail {
    char magic[12];
    uint32_t format, settings, metered;
    char target[NX__ARTIFACT_TARGET];
    char hash[NX__HASH_TEXT - 1]; /* of all that is before it */
};

_Static_assert(sizeof(struct tail) == NX__ARTIFACT_TAIL, "one block without gaps");

enum { FORMAT = 1 };
static const char magic[12] = "nexus-cwasm";

bool nx__is_artifact(const char *name)
{
    const char *ending = strrchr(name, '.');
    return ending && strcmp(ending, ".cwasm") == 0;
}

void nx__artifact_host(char out[NX__ARTIFACT_TARGET])
{
    struct utsname system;
    (void)snprintf(out, NX__ARTIFACT_TARGET, "%.*s", NX__ARTIFACT_TARGET - 1,
                   uname(&system) == 0 ? system.machine : "?");
}

/* ---- Reading */

bool nx__artifact_parse(const char bytes[NX__ARTIFACT_TAIL], struct nx__artifact *out)
{
    struct tail tail;
    memcpy(&tail, bytes, sizeof tail);
    *out = (struct nx__artifact){.current = false};
    if (memcmp(tail.magic, magic, sizeof magic) != 0) return false;
    if (tail.format != FORMAT || tail.settings != NX__ENGINE_SETTINGS) return true;
    if (tail.metered > 1 || !memchr(tail.target, '\0', sizeof tail.target)) return false;
    out->current = true;
    out->metered = tail.metered;
    memcpy(out->target, tail.target, sizeof tail.target);
    memcpy(out->hash, tail.hash, sizeof tail.hash);
    return true;
}

/* `*size` is of the machine code. False where it is none, or ends too soon. */
static bool tail_read(int fd, struct nx__artifact *out, uint64_t *size)
{
    char bytes[NX__ARTIFACT_TAIL];
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= NX__ARTIFACT_TAIL) return false;
    *size = (uint64_t)st.st_size - NX__ARTIFACT_TAIL;
    return pread(fd, bytes, sizeof bytes, (off_t)*size) == (ssize_t)sizeof bytes &&
           nx__artifact_parse(bytes, out);
}

nx_err nx__artifact_read(int fd, const char *path, struct nx__artifact *out)
{
    uint64_t size;
    char host[NX__ARTIFACT_TARGET];
    if (!tail_read(fd, out, &size))
        return nx__error_set(
            NX_EINVAL,
            "cannot run \"%.150s\": it is no compiled WebAssembly, or has been cut short", path);
    if (!out->current)
        return nx__error_set(
            NX_EINVAL,
            "cannot run \"%.150s\": another version of Nexus has compiled it; \"nexus compile\" does it anew",
            path);
    nx__artifact_host(host);
    if (strcmp(out->target, host) == 0) return NX_OK;
    return nx__error_set(NX_EINVAL, "cannot run \"%.150s\": it is for the processor %s, this is %s",
                         path, out->target, host);
}

static nx_err check(int fd, const char *path)
{
    struct nx__artifact artifact;
    struct stat st;
    char hash[NX__HASH_TEXT];
    if (fstat(fd, &st) != 0) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    if (!S_ISREG(st.st_mode))
        return nx__error_set(NX_EINVAL, "cannot run \"%.150s\": not a regular file", path);
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
        return nx__error_set(
            NX_EACCES,
            "cannot run \"%.120s\": it belongs to, or can be written by, somebody else, and is machine code; make it yours alone (chmod go-w)",
            path);
    NX_TRY(nx__artifact_read(fd, path, &artifact));
    int error = -nx__hash_part(fd, (uint64_t)st.st_size - sizeof artifact.hash + 1, hash);
    if (error) return nx__error_system(error, "cannot read \"%.150s\"", path);
    if (strcmp(hash, artifact.hash) == 0) return NX_OK;
    return nx__error_set(
        NX_EINVAL,
        "cannot run \"%.150s\": it has been changed since it was compiled (its hash is another)",
        path);
}

nx_err nx__artifact_open(const char *path, int *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    nx_err err = check(fd, path);
    if (err)
        (void)close(fd);
    else
        *out = fd;
    return err;
}

/* ---- Writing */

static bool write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* False, with errno. */
static bool copy(int from, int to, uint64_t *size)
{
    char chunk[16384];
    *size = 0;
    for (;;) {
        ssize_t n = pread(from, chunk, sizeof chunk, (off_t)*size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0;
        if (!write_all(to, chunk, (size_t)n)) return false;
        *size += (uint64_t)n;
    }
}

static bool fill(int fd, int code, const struct nx__artifact *what)
{
    struct tail tail = {
        .format = FORMAT, .settings = NX__ENGINE_SETTINGS, .metered = what->metered};
    char hash[NX__HASH_TEXT];
    uint64_t size;
    memcpy(tail.magic, magic, sizeof magic);
    memcpy(tail.target, what->target, sizeof tail.target);
    if (!copy(code, fd, &size) || !write_all(fd, &tail, offsetof(struct tail, hash))) return false;
    int error = -nx__hash_part(fd, size + offsetof(struct tail, hash), hash);
    if (error) errno = error;
    return !error && write_all(fd, hash, sizeof tail.hash) && fsync(fd) == 0;
}

nx_err nx__artifact_write(const char *path, int code, const struct nx__artifact *what)
{
    char aside[4096];
    int n = snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof aside)
        return nx__error_set(NX_EINVAL, "the path \"%.100s...\" is too long", path);
    int fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return nx__error_system(errno, "cannot write \"%.150s\"", path);
    bool good = fill(fd, code, what);
    int error = errno;
    if (close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(aside, path) == 0) return NX_OK;
    if (good) error = errno;
    (void)unlink(aside);
    return nx__error_system(error, "cannot write \"%.150s\"", path);
}
