/* A page that lists a directory. */
#include "http/files/files.h"

#include "base/buffer.h"
#include "base/markup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_MOST = 10000, PAGE_MOST = 8 << 20 };

struct listing {
    const struct nx__dir *dir;
    const char *path;
    bool dotfiles;
    struct nx__buffer page; /* freed by the caller */
};

static nx_err put(struct nx__buffer *page, const char *text)
{
    return nx__buffer_append(page, text, strlen(text), PAGE_MOST);
}

static nx_err put_escaped(struct nx__buffer *page, const char *text)
{
    for (; *text; text++) {
        const char *as = nx__markup_entity(*text);
        NX_TRY(as ? put(page, as) : nx__buffer_append(page, text, 1, PAGE_MOST));
    }
    return NX_OK;
}

static nx_err put_encoded(struct nx__buffer *page, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
            strchr("-._~", c)) {
            NX_TRY(nx__buffer_append(page, text, 1, PAGE_MOST));
        } else {
            NX_TRY(nx__buffer_printf(page, PAGE_MOST, "%%%02X", c));
        }
    }
    return NX_OK;
}

static nx_err page_write(struct listing *l, char **names, size_t count)
{
    struct nx__buffer *page = &l->page;
    NX_TRY(put(page, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>/"));
    NX_TRY(put_escaped(page, l->path));
    NX_TRY(put(page, "</title>\n<h1>/"));
    NX_TRY(put_escaped(page, l->path));
    NX_TRY(put(page, "</h1>\n<ul>\n"));
    if (*l->path) NX_TRY(put(page, "<li><a href=\"../\">../</a>\n"));
    for (size_t i = 0; i < count; i++) {
        const char *name = names[i] + 1, *slash = names[i][0] == '/' ? "/" : "";
        NX_TRY(put(page, "<li><a href=\"./"));
        NX_TRY(put_encoded(page, name));
        NX_TRY(put(page, slash));
        NX_TRY(put(page, "\">"));
        NX_TRY(put_escaped(page, name));
        NX_TRY(put(page, slash));
        NX_TRY(put(page, "</a>\n"));
    }
    return put(page, "</ul>\n");
}

/* Directories first, which begin with "/"; the others with " ". */
static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    if ((*x)[0] != (*y)[0]) return (*x)[0] == '/' ? -1 : 1;
    return strcmp(*x, *y);
}

static int64_t list_run(void *arg)
{
    struct listing *l = arg;
    int fd = nx__file_open_beneath(l->dir, l->path, O_RDONLY | O_DIRECTORY, false);
    if (fd < 0) return fd;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    int64_t result = -ENOMEM;
    size_t count = 0;
    char **names = malloc(NAMES_MOST * sizeof *names);
    struct dirent *entry;
    while (names && count < NAMES_MOST && (entry = readdir(stream))) {
        if (entry->d_name[0] == '.' &&
            (!l->dotfiles || !entry->d_name[1] || (entry->d_name[1] == '.' && !entry->d_name[2])))
            continue;
        struct stat st;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
            continue;
        size_t len = strlen(entry->d_name);
        char *name = malloc(len + 2);
        if (!name) goto out;
        name[0] = S_ISDIR(st.st_mode) ? '/' : ' ';
        memcpy(name + 1, entry->d_name, len + 1);
        names[count++] = name;
    }
    if (!names) goto out;
    qsort(names, count, sizeof *names, by_name);
    nx_err err = page_write(l, names, count);
    result = !err ? 0 : err == NX_ETOOBIG ? -EFBIG : -ENOMEM;
out:
    while (count) free(names[--count]);
    free(names);
    (void)closedir(stream);
    return result;
}

nx_err nx__file_list(nx_response *res, const struct nx__dir *dir, const char *path, bool dotfiles)
{
    struct listing l = {.dir = dir, .path = path, .dotfiles = dotfiles};
    int error = (int)nx__file_blocking(list_run, &l);
    nx_err err;
    if (error) {
        err = nx__file_failed(error, path);
    } else {
        nx_response_header(res, "content-type", "text/html; charset=utf-8");
        nx_response_header(res, "cache-control", "no-cache");
        nx_response_header(res, "x-content-type-options", "nosniff");
        nx_response_header(res, "content-security-policy", "default-src 'none'");
        err = nx_response_send_bytes(res, nx_slice(l.page.data, l.page.len));
    }
    nx__buffer_free(&l.page);
    return err;
}
