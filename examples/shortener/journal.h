/* A file of lines that only grows: what it has confirmed survives a kill -9 and a power cut. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <nexus/base.h>

typedef struct journal journal;

/* The owner's part. None of these may suspend. */
typedef struct journal_owner {
    void *context;
    /* Takes a line of the file, at the start. An error ends the opening. */
    nx_err (*replay)(void *context, nx_bytes line);
    /* All that is to be kept as lines, which then replace the file: memory of the current scope. */
    nx_err (*snapshot)(void *context, nx_bytes *lines);
    /* How many lines that would be. */
    size_t (*needed)(const void *context);
    /* A line is on the disk, or could not be brought there. Called in the order of the lines, also
     * where the fiber that waited for it was cancelled. */
    void (*written)(void *context, void *arg, nx_err err);
} journal_owner;

/* Opens the file, makes it if need be, and replays it. A last line without an end (the power went
 * while it was written) is cut off. Only one process at a time has the file: waits up to
 * JOURNAL_PATIENCE for another one to let go, as happens at each restart by --watch. NX_EAGAIN
 * (another process has it), NX_EPROTO (a line that replay refuses), NX_ENOMEM, NX_EIO and what
 * nx_fs_read_file returns. Suspends. */
NX_MUST_CHECK nx_err journal_open(journal **out, const char *path, const journal_owner *owner);
#define JOURNAL_PATIENCE NX_S(20)

/* Adds a line, which has no newline in it, and waits until it is on the disk; all that come
 * meanwhile share one write. `arg` is for owner.written, which is not called if the line was not
 * even taken: then `*taken` is false. NX_EIO, NX_ENOSPC, NX_ENOMEM, NX_ECANCELED. Suspends. */
NX_MUST_CHECK nx_err journal_append(journal *j, nx_bytes line, void *arg, bool *taken);

/* Adds a line that nobody waits for. Errors as journal_append. Does not suspend. */
NX_MUST_CHECK nx_err journal_post(journal *j, nx_bytes line);

/* NX_OK while lines can be written. */
NX_MUST_CHECK nx_err journal_check(const journal *j);

/* Writes what waits, and closes. NULL is fine. Suspends. */
void journal_close(journal *j);

#endif
