/* Makes a directory the same as another, and keeps it so:
 *
 *     nexus run app.c --allow-read=src,copy --allow-write=copy -- src copy */
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/log.h>

static const char *from = "src", *to = "copy";

static const char *mirrored(const char *relative)
{
    return nx_format("%s/%s", to, relative);
}

/* What is in the copy and has no original. */
static nx_err remove_stray(void)
{
    nx_walk *walk;
    nx_fs_entry entry;
    nx_err err;
    NX_TRY(nx_fs_walk(&walk, to));
    while ((err = nx_walk_next(walk, &entry)) == NX_OK) {
        nx_stat original;
        if (nx_fs_lstat(nx_format("%s/%s", from, entry.relative), &original) != NX_ENOENT) continue;
        if ((err = nx_fs_remove_all(entry.path)) != NX_OK) break;
        nx_walk_skip(walk);
    }
    nx_walk_free(walk);
    return err == NX_ECLOSED ? NX_OK : err;
}

static nx_err all(void)
{
    NX_TRY(nx_fs_copy(from, to, .recursive = true, .keep_times = true, .skip_special = true));
    return remove_stray();
}

static nx_err one(const char *original, const char *target)
{
    nx_err err = nx_fs_copy(original, target, .recursive = true, .no_follow = true,
                            .keep_times = true, .skip_special = true);
    return err == NX_ENOENT ? NX_OK : err; /* it is gone again, which is an event of its own */
}

static nx_err follow(const nx_fs_event *event)
{
    const char *target = mirrored(event->relative);
    switch (event->kind) {
    case NX_FS_CREATE:
    case NX_FS_MODIFY: return one(event->path, target);
    case NX_FS_REMOVE: return nx_fs_remove_all(target);
    case NX_FS_RENAME:
        /* Both names begin with what `relative` leaves out. */
        NX_TRY(nx_fs_remove_all(mirrored(event->from + (event->relative - event->path))));
        return one(event->path, target);
    case NX_FS_OVERFLOW: return all();
    }
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_watcher *watcher;
    nx_fs_event event;
    nx_err err;
    if (argc > 2) {
        from = argv[1];
        to = argv[2];
    }
    /* First: so nothing that happens while all is copied is missed. */
    NX_TRY(nx_fs_watch(&watcher, from, .recursive = true, .debounce = NX_MS(20)));
    NX_TRY(all());
    nx_log_info("it is the same", "from", from, "to", to);
    while ((err = nx_watcher_next(watcher, &event)) == NX_OK) {
        nx_scope *scope; /* what one event allocates ends with it */
        NX_TRY(nx_scope_open(&scope));
        if (follow(&event)) nx_log_error("cannot follow", "error", nx_error_last()->message);
        NX_TRY(nx_scope_close(&scope));
    }
    nx_watcher_free(watcher);
    return err == NX_ECLOSED ? NX_OK : err;
}
