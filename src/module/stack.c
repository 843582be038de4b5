/* Stacks hold data, never code. The loader makes every stack of the process executable for one
 * object that wants it so, or that doesn't say, as tcc's do not. */
#include "module/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

enum { HEADERS_MOST = 32, MADE_PATH = NX__ROOT_MOST + 16 };

/* Appends the program headers once more, with one that says it. On a page that no segment reaches:
 * the loader takes headers from memory where a segment has them, and clears what follows the data.
 */
static bool headers_append(int fd, ElfW(Ehdr) * head, ElfW(Phdr) * headers)
{
    off_t size = lseek(fd, 0, SEEK_END);
    off_t page = sysconf(_SC_PAGESIZE);
    if (size < 0 || page <= 0) return false;
    headers[head->e_phnum++] =
        (ElfW(Phdr)){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = sizeof(void *)};
    head->e_phoff = (ElfW(Off))((size + page - 1) / page * page);
    size_t len = head->e_phnum * sizeof *headers;
    return pwrite(fd, headers, len, (off_t)head->e_phoff) == (ssize_t)len &&
           pwrite(fd, head, sizeof *head, 0) == (ssize_t)sizeof *head;
}

static nx_err stack_settle(const struct nx__build *b, int fd)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) headers[HEADERS_MOST + 1];
    errno = EIO;
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        head.e_phentsize != sizeof *headers || head.e_phnum > HEADERS_MOST ||
        pread(fd, headers, head.e_phnum * sizeof *headers, (off_t)head.e_phoff) !=
            (ssize_t)(head.e_phnum * sizeof *headers))
        return nx__error_system(errno, "cannot read what the compiler made");
    for (size_t i = 0; i < head.e_phnum; i++) {
        if (headers[i].p_type != PT_GNU_STACK) continue;
        if (!(headers[i].p_flags & PF_X)) return NX_OK;
        (void)dprintf(b->output,
                      "%s: error: a function inside a function whose address is taken, or "
                      "assembly that does not say, wants code on the stack, and no stack is "
                      "executable; make it a function of the file, and hand over what it uses\n",
                      b->main_path);
        return NX_ECOMPILE;
    }
    if (headers_append(fd, &head, headers)) return NX_OK;
    return nx__error_system(errno, "cannot write the compiled program");
}

nx_err nx__stack_check(const struct nx__build *b)
{
    char path[MADE_PATH];
    (void)snprintf(path, sizeof path, "%s/out.so", b->staging);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return nx__error_system(errno, "cannot read what the compiler made");
    nx_err err = stack_settle(b, fd);
    (void)close(fd);
    return err;
}
