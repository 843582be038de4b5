/* Reads a file, then tells of what is made and changed below a directory:
 *
 *     nexus run app.c --allow-read=config.json,src -- config.json src */
#include <nexus/fs.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    nx_bytes config;
    nx_watcher *watcher;
    nx_fs_event event;
    NX_TRY(nx_fs_read_file(argc > 1 ? argv[1] : "config.json", &config));
    printf("%.*s\n", NX_FMT(config));

    NX_TRY(nx_fs_watch(&watcher, argc > 2 ? argv[2] : "./src", .recursive = true, .create = true,
                       .modify = true));
    while (nx_watcher_next(watcher, &event) == NX_OK)
        printf("%s: %s\n", nx_fs_event_name(event.kind), event.path);
    nx_watcher_free(watcher);
    return NX_OK;
}
