/* nexus run --watch: which files have changed. */
#include "cli/launcher.h"

#include "base/clock.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    FILES_MAX = 4096, /* inputs past this are not watched */
    /* A rename over the file, and the end of writing it; the rest is how links are replaced. */
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE,
};

/* Saves come in several steps. */
static const nx_duration DEBOUNCE = NX_MS(5);

/* Watches the directory, since editors put a new file in the old one's place. */
static void add_path(struct nx__watcher *w, const char *path, bool imported, bool own)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char directory[PATH_MAX] = ".";
    if (slash) {
        size_t len = (size_t)(slash - path) + 1; /* with the slash, so that "/" is one */
        if (len >= sizeof directory) return;
        memcpy(directory, path, len);
        directory[len] = '\0';
    }
    int wd = inotify_add_watch(w->fd, directory, EVENTS | IN_ONLYDIR);
    if (wd < 0 || w->count == FILES_MAX) return;
    for (size_t i = 0; i < w->count; i++)
        if (w->files[i].directory == wd && strcmp(w->files[i].name, name) == 0) return;
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 16;
        struct nx__watched *files = realloc(w->files, capacity * sizeof *files);
        if (!files) return;
        w->files = files;
        w->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy)
        w->files[w->count++] =
            (struct nx__watched){.directory = wd, .name = copy, .imported = imported, .own = own};
}

void nx__watch_add(struct nx__watcher *w, const struct nx__compiled *compiled, bool imported)
{
    for (size_t i = 0; i < compiled->input_count; i++) {
        const char *path = compiled->inputs[i].path;
        char real[PATH_MAX];
        add_path(w, path, imported, compiled->inputs[i].own);
        /* A link's own change counts, and its target's. */
        if (realpath(path, real) && strcmp(real, path) != 0) add_path(w, real, imported, false);
    }
}

size_t nx__watch_count(const struct nx__watcher *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++) count += w->files[i].own;
    return count;
}

void nx__watch_clear(struct nx__watcher *w)
{
    for (size_t i = 0; i < w->count; i++) free(w->files[i].name);
    w->count = 0;
}

/* Not what editors leave beside the file. */
static bool is_source(const char *name)
{
    size_t len = strlen(name);
    return len > 2 && name[0] != '.' && name[len - 2] == '.' &&
           (name[len - 1] == 'c' || name[len - 1] == 'h');
}

static bool concerns(struct nx__watcher *w, const struct inotify_event *event, bool any)
{
    if (event->mask & IN_Q_OVERFLOW) return true;
    if (event->len == 0) return false;
    if (any && is_source(event->name)) return true;
    for (size_t i = 0; i < w->count; i++) {
        const struct nx__watched *file = &w->files[i];
        if (file->directory != event->wd || strcmp(file->name, event->name) != 0) continue;
        w->import_changed |= file->imported;
        return true;
    }
    return false;
}

static void note_name(struct nx__watcher *w, const char *name)
{
    enum { MOST = sizeof w->changed - 1 };
    if (!w->changed[0])
        (void)snprintf(w->changed, sizeof w->changed, "%s", name);
    else
        w->more_changed |= strncmp(w->changed, name, MOST) != 0;
}

void nx__watch_read(struct nx__watcher *w, bool any)
{
    _Alignas(struct inotify_event) char events[4096];
    ssize_t n;
    while ((n = read(w->fd, events, sizeof events)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event =
                (const struct inotify_event *)(const void *)(events + at);
            at += (ssize_t)(sizeof *event + event->len);
            if (!concerns(w, event, any)) continue;
            w->changed_at = nx__clock_monotonic() + DEBOUNCE;
            if (event->len) note_name(w, event->name);
        }
    }
}
