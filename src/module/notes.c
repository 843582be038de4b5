/* What a compiler notes for coverage, kept beyond the compilation. */
#include "module/compiler.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

static nx_err copy(const char *from, const char *to)
{
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(from, NX__SOURCE_MOST, &text);
    if (!err) err = nx__write_whole(to, text.data, text.len);
    nx__buffer_free(&text);
    return err;
}

nx_err nx__notes_keep(const char *staging, const char *folder)
{
    DIR *dir = opendir(staging);
    if (!dir) return nx__error_system(errno, "cannot read \"%.150s\"", staging);
    nx_err err = NX_OK;
    for (struct dirent *entry; !err && (entry = readdir(dir));) {
        char from[NX__ROOT_MOST], to[NX__ROOT_MOST];
        size_t len = strlen(entry->d_name);
        if (len < 6 || strcmp(entry->d_name + len - 5, ".gcno") != 0) continue;
        if (snprintf(from, sizeof from, "%s/%s", staging, entry->d_name) >= (int)sizeof from ||
            snprintf(to, sizeof to, "%s/%s", folder, entry->d_name) >= (int)sizeof to)
            err = nx__error_set(NX_ETOOBIG, "cannot keep the compiler's notes: a path is too long");
        else
            err = copy(from, to);
    }
    (void)closedir(dir);
    return err;
}
