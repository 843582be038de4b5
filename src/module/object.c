/* Compiled files: whether one may be run, and one that lies in memory. */
#include "module/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

int nx__object_open(const char *path, const struct nx__manifest *m)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char hash[NX__HASH_TEXT];
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        !(st.st_mode & 022) && (uint64_t)st.st_size == m->so_size && nx__hash_file(fd, hash) == 0 &&
        strcmp(hash, m->so_hash) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

bool nx__object_is_whole(int fd, uint64_t size)
{
    ElfW(Ehdr) head;
    return pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
           head.e_shoff + (uint64_t)head.e_shnum * head.e_shentsize <= size;
}

nx_err nx__object_into_memory(int from, uint64_t size, const char *hash, struct nx__compiled *out)
{
    char name[64];
    (void)snprintf(name, sizeof name, "nexus-%.16s", hash);
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return nx__error_system(errno, "cannot keep the compiled program in memory");
    off_t at = 0;
    while ((uint64_t)at < size) {
        ssize_t n = sendfile(fd, from, &at, (size_t)(size - (uint64_t)at));
        if (n > 0 || (n < 0 && errno == EINTR)) continue;
        int error = n < 0 ? errno : EIO;
        (void)close(fd);
        return nx__error_system(error, "cannot keep the compiled program in memory");
    }
    out->so_fd = fd;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return nx__error_system(errno, "cannot keep the compiled program in memory");
    if (asprintf(&out->so_path, "/memfd:%s (deleted)", name) >= 0) return NX_OK;
    out->so_path = NULL;
    return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
}
