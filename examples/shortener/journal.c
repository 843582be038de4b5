/* The journal: one fiber writes, and whoever wants a line written waits for its batch. */
#include "./journal.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    SPARE_LINES = 10000, /* that the file may have beyond twice those of a snapshot */
    LINES_A_TURN = 4096  /* of the loop, in the replay */
};

/* Lines that go to the disk together. */
typedef struct batch {
    char *text;
    size_t len, capacity;
    void **args; /* of the lines that somebody waits for */
    size_t count, places;
    nx_channel *done; /* closed when they are there, or not */
    nx_err err;
    char why[160];
    unsigned users;
} batch;

struct journal {
    journal_owner owner;
    char *path;
    int file, lock;
    off_t size;            /* of the file, up to the end of its last whole line */
    size_t lines, long_at; /* at least so many are left alone, since a snapshot has failed */
    nx_err broken;         /* nothing is written any more: what the file has is not certain */
    batch *next;
    nx_channel *wake;
    nx_fiber *writer;
};

/* ---- Batches */

static void batch_release(batch *b)
{
    if (--b->users) return;
    nx_channel_free(b->done);
    free(b->text);
    free(b->args);
    free(b);
}

static batch *batch_new(void)
{
    batch *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    if (nx_channel_new(&b->done, 1, 1)) {
        free(b);
        return NULL;
    }
    b->users = 1;
    return b;
}

static nx_err batch_add(batch *b, nx_bytes line, void *arg)
{
    if (b->len + line.len + 1 > b->capacity) {
        size_t capacity = 2 * b->capacity + line.len + 256;
        char *text = realloc(b->text, capacity);
        if (!text) return nx_fail(NX_ENOMEM, "no memory for a line of the journal");
        b->text = text;
        b->capacity = capacity;
    }
    if (b->count == b->places) {
        size_t places = b->places ? 2 * b->places : 8;
        void **args = realloc(b->args, places * sizeof *args);
        if (!args) return nx_fail(NX_ENOMEM, "no memory for a line of the journal");
        b->args = args;
        b->places = places;
    }
    memcpy(b->text + b->len, line.data, line.len);
    b->text[b->len + line.len] = '\n';
    b->len += line.len + 1;
    b->args[b->count++] = arg;
    return NX_OK;
}

/* ---- The disk, on a thread of the blocking pool */

typedef struct writing {
    journal *j;
    const batch *batch;
    bool broken;
} writing;

static nx_err failed(const journal *j, const char *what)
{
    nx_err err = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? NX_ENOSPC : NX_EIO;
    return nx_fail(err, "cannot %s \"%s\": %s", what, j->path, strerror(errno));
}

static nx_err batch_put(void *arg)
{
    writing *w = arg;
    journal *j = w->j;
    for (size_t put = 0; put < w->batch->len;) {
        ssize_t n =
            pwrite(j->file, w->batch->text + put, w->batch->len - put, j->size + (off_t)put);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            nx_err err = failed(j, "write to");
            w->broken = ftruncate(j->file, j->size) != 0; /* half a line would stay */
            return err;
        }
        put += (size_t)n;
    }
    if (fdatasync(j->file)) { /* the kernel has forgotten which pages were not written */
        w->broken = true;
        return failed(j, "bring to the disk");
    }
    j->size += (off_t)w->batch->len;
    return NX_OK;
}

static nx_err open_file(void *arg)
{
    journal *j = arg;
    int file = open(j->path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return failed(j, "open");
    if (j->file >= 0) close(j->file);
    j->file = file;
    return ftruncate(file, j->size) || fdatasync(file) ? failed(j, "cut") : NX_OK;
}

/* ---- The writer */

static void journal_free(journal *j)
{
    nx_channel_free(j->wake);
    if (j->file >= 0) close(j->file);
    if (j->lock >= 0) close(j->lock);
    free(j->path);
    free(j);
}

static bool is_long(const journal *j)
{
    return j->lines > 2 * j->owner.needed(j->owner.context) + SPARE_LINES && j->lines > j->long_at;
}

/* Puts a snapshot in the place of the file. */
static nx_err compact(journal *j)
{
    nx_scope *scope = NULL;
    nx_bytes text;
    NX_TRY(nx_scope_open(&scope));
    size_t lines = j->owner.needed(j->owner.context);
    nx_err err = j->owner.snapshot(j->owner.context, &text);
    if (!err && !(err = nx_fs_write_file(j->path, text))) {
        j->size = (off_t)text.len;
        j->lines = lines;
        err = nx_blocking(open_file, j);
        if (err) j->broken = err; /* what is open is no longer the file of that name */
    }
    if (err) j->long_at = 2 * j->lines;
    nx_err closed = nx_scope_close(&scope);
    return err ? err : closed;
}

nx_err journal_check(const journal *j)
{
    return j->broken ? nx_fail(j->broken, "\"%s\" can no longer be written", j->path) : NX_OK;
}

static void batch_write(journal *j, batch *b)
{
    writing w = {.j = j, .batch = b};
    b->err = journal_check(j);
    if (!b->err) b->err = nx_blocking(batch_put, &w);
    if (w.broken) j->broken = NX_EIO;
    if (b->err) {
        snprintf(b->why, sizeof b->why, "%s", nx_error_last()->message);
        nx_log_error("the journal could not be written", "why", b->why, "lines", b->count);
    } else {
        j->lines += b->count;
    }
    for (size_t i = 0; i < b->count; i++)
        if (b->args[i]) j->owner.written(j->owner.context, b->args[i], b->err);
    nx_channel_close(b->done);
    batch_release(b);
}

/* Owns the journal, and frees it at the end. */
static nx_err writer(void *arg)
{
    journal *j = arg;
    nx_err err;
    do {
        char nothing;
        err = nx_recv(j->wake, &nothing);
        while (j->next) {
            batch *b = j->next;
            j->next = NULL; /* what comes from now on is of the next one */
            batch_write(j, b);
        }
        if (!err && !j->broken && is_long(j) && compact(j))
            nx_log_error("the journal stays long", "why", nx_error_last()->message);
    } while (!err);
    journal_free(j);
    return NX_OK;
}

/* ---- Opening */

/* The lock is a file of its own, since a snapshot replaces the other one. */
static nx_err lock_take(journal *j)
{
    char *path = nx_format("%s.lock", j->path);
    if (!path) return NX_ENOMEM;
    j->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (j->lock < 0) return failed(j, "lock");
    for (nx_duration end = nx_now() + JOURNAL_PATIENCE; flock(j->lock, LOCK_EX | LOCK_NB);) {
        if (errno != EWOULDBLOCK && errno != EINTR) return failed(j, "lock");
        if (nx_now() > end)
            return nx_fail(NX_EAGAIN, "another process has \"%s\"; stop that one first", j->path);
        NX_TRY(nx_sleep(NX_MS(20)));
    }
    return NX_OK;
}

static nx_err replay(journal *j)
{
    nx_bytes file;
    nx_err err = nx_fs_read_file(j->path, &file);
    if (err == NX_ENOENT) return nx_fs_write_file(j->path, nx_str(""));
    NX_TRY(err);
    const char *end;
    for (const char *line = file.data; (end = memchr(line, '\n', file.len - (size_t)j->size));) {
        nx_err bad = j->owner.replay(j->owner.context, nx_slice(line, (size_t)(end - line)));
        j->lines++;
        if (bad)
            return nx_fail(bad, "line %zu of \"%s\" is damaged; mend it or take it out", j->lines,
                           j->path);
        line = end + 1;
        j->size = line - file.data;
        if (j->lines % LINES_A_TURN == 0) NX_TRY(nx_sleep(0)); /* a turn of the loop */
    }
    if (file.len > (size_t)j->size)
        nx_log_warn("the last line was not whole and is cut off", "file", j->path, "bytes",
                    file.len - (size_t)j->size);
    return NX_OK;
}

static nx_err open_all(journal *j, const char *path)
{
    j->path = strdup(path);
    if (!j->path) return nx_fail(NX_ENOMEM, "no memory for a journal");
    NX_TRY(lock_take(j));
    NX_TRY(replay(j));
    NX_TRY(nx_blocking(open_file, j));
    if (is_long(j)) NX_TRY(compact(j));
    NX_TRY(nx_channel_new(&j->wake, 1, 1));
    /* Detached: it ends when it is told to, and not with the scope that it happens to be made in.
     */
    return nx_spawn(&j->writer, writer, j, .name = "journal", .detached = true);
}

nx_err journal_open(journal **out, const char *path, const journal_owner *owner)
{
    *out = NULL;
    journal *j = calloc(1, sizeof *j);
    if (!j) return nx_fail(NX_ENOMEM, "no memory for a journal");
    j->owner = *owner;
    j->file = j->lock = -1;
    nx_err err = open_all(j, path);
    if (err)
        journal_free(j);
    else
        *out = j;
    return err;
}

void journal_close(journal *j)
{
    if (!j) return;
    nx_channel_close(j->wake);
    NX_IGNORE(nx_join(j->writer));
}

/* ---- Lines */

/* Puts the line into the batch that goes next, and wakes the writer. */
static nx_err enqueue(journal *j, nx_bytes line, void *arg)
{
    size_t which;
    NX_TRY(journal_check(j));
    if (!j->next && !(j->next = batch_new()))
        return nx_fail(NX_ENOMEM, "no memory for a line of the journal");
    NX_TRY(batch_add(j->next, line, arg));
    NX_IGNORE(nx_select(&which, nx_on_send(j->wake, ""), nx_on_default()));
    return NX_OK;
}

nx_err journal_append(journal *j, nx_bytes line, void *arg, bool *taken)
{
    nx_err err = enqueue(j, line, arg);
    *taken = !err;
    NX_TRY(err);
    char nothing;
    batch *b = j->next;
    b->users++;
    err = nx_recv(b->done, &nothing);
    if (err == NX_ECLOSED) err = b->err ? nx_fail(b->err, "%s", b->why) : NX_OK;
    batch_release(b);
    return err;
}

nx_err journal_post(journal *j, nx_bytes line)
{
    return enqueue(j, line, NULL);
}
