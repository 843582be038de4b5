/* Files as streams. */
#include "fs/file.h"

#include "loop/uring.h"
#include "stream/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Reading */

static nx_err file_read(void *state, void *data, size_t len, size_t *got)
{
    struct nx_file *file = state;
    struct iovec piece = {data, len};
    int64_t n = nx__fs_file_read(file, &piece, 1, file->position);
    if (n > 0) {
        *got = (size_t)n;
        file->position += *got;
    }
    return nx__fs_result(n, "read", file->path);
}

/* A pipe that nobody has had open to write has no end yet. */
static bool file_direct(void *state, struct nx__direct *out)
{
    struct nx_file *file = state;
    if (file->unheard) file->unheard = nx__fd_wait(file->fd, NX__READABLE) != 0;
    *out = (struct nx__direct){.fd = file->fd, .position = file->streams ? NULL : &file->position};
    return !file->unheard;
}

static void file_close(void *state)
{
    nx__fs_file_end(state);
    free(state);
}

nx_stream *nx_fs_reader(const char *path)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a file's reader", .read = file_read, .close = file_close};
    nx_file *file;
    if (nx_fs_open(&file, path)) return nx_stream_failed();
    return nx__stream_direct(nx_stream_new(&type, file), file_direct);
}

/* ---- Writing: one piece is under way while the next is made */

struct writer {
    nx_file *file;
    struct nx__file write;
    struct iovec piece; /* of what is under way */
    bool busy, sync;
    bool whole; /* what the file had before is still there, and is to go */
};

/* What was there goes when something comes in its place, or nothing does: who makes a chain of
 * which another end can't be opened loses nothing. */
static nx_err begin(struct writer *w)
{
    struct stat st;
    if (!w->whole) return NX_OK;
    w->whole = false;
    return fstat(w->file->fd, &st) == 0 && st.st_size == 0 ? NX_OK : nx_file_truncate(w->file, 0);
}

/* Waits for what is under way, and writes what of it the system has left. */
static int64_t settle(struct writer *w, bool cancelable)
{
    if (!w->busy) return 0;
    w->busy = false;
    int64_t n = nx__file_end(&w->write, cancelable);
    if (n == -EINTR) n = 0; /* nothing of it */
    if (n < 0) return n;
    w->file->position += (uint64_t)n;
    nx_bytes rest = nx_slice((char *)w->piece.iov_base + n, w->piece.iov_len - (size_t)n);
    int64_t result = nx__fs_file_write_all(w->file, rest, w->file->position);
    if (result == 0) w->file->position += rest.len;
    return result;
}

static nx_err writer_write(void *state, nx_bytes bytes)
{
    struct writer *w = state;
    NX_TRY(begin(w));
    int64_t result = settle(w, true);
    if (result == 0 && w->file->streams) {
        result = nx__fs_file_write_all(w->file, bytes, 0);
    } else if (result == 0) {
        nx__fs_file_block(w->file);
        w->piece = (struct iovec){(void *)(uintptr_t)bytes.data, bytes.len};
        result = nx__file_write_begin(&w->write, w->file->fd, &w->piece,
                                      w->file->append ? NX__FILE_POSITION : w->file->position);
        w->busy = result == 0;
    }
    return nx__fs_result(result, "write", w->file->path);
}

static bool writer_direct(void *state, struct nx__direct *out)
{
    struct writer *w = state;
    if (begin(w)) return false;
    *out = (struct nx__direct){.fd = w->file->fd,
                               .position = w->file->streams ? NULL : &w->file->position};
    return !w->busy;
}

static nx_err writer_finish(void *state, nx_stream *next)
{
    struct writer *w = state;
    (void)next;
    NX_TRY(begin(w));
    int64_t result = settle(w, true);
    if (result == 0 && w->sync) result = nx__file_sync(w->file->fd, false);
    NX_TRY(nx__fs_result(result, "write", w->file->path));
    nx_file *file = w->file;
    w->file = NULL;
    return nx_file_close(file);
}

static void writer_close(void *state)
{
    struct writer *w = state;
    if (w->file) {
        (void)settle(w, false);
        NX_IGNORE(nx_file_close(w->file));
    }
    free(w);
}

nx_stream *nx_fs_writer_with(const char *path, const nx_fs_writer_options *options)
{
    NX__OPTIONS(nx_fs_writer_options, o, options);
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a file's writer",
                                        .write = writer_write,
                                        .finish = writer_finish,
                                        .close = writer_close};
    struct writer *w = calloc(1, sizeof *w);
    if (!w) return nx__stream_no_memory();
    nx_err err = nx_fs_open(&w->file, path, .create = true, .append = o.append,
                            .exclusive = o.exclusive, .mode = o.mode);
    if (err) {
        free(w);
        return nx_stream_failed();
    }
    w->sync = o.sync;
    w->whole = !o.append && !w->file->streams;
    return nx__stream_direct(nx_stream_new(&type, w), writer_direct);
}
