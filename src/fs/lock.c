/* Locks between programs. */
#include "fs/file.h"

#include <errno.h>
#include <nexus/timer.h>
#include <sys/file.h>

/* A thread that waited in the kernel could not be told to stop. */
static const nx_duration wait_first = NX_MS(1), wait_most = NX_MS(50);

nx_err nx_file_lock_with(nx_file *file, const nx_file_lock_options *options)
{
    NX__OPTIONS(nx_file_lock_options, o, options);
    int operation = (o.shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    nx_duration wait = wait_first;
    while (flock(file->fd, operation) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return nx__fs_result(-errno, "lock", file->path);
        if (o.now)
            return nx__error_set(NX_EAGAIN, "cannot lock \"%s\": another has locked it",
                                 file->path);
        NX_TRY(nx_sleep(wait));
        wait = wait * 2 < wait_most ? wait * 2 : wait_most;
    }
    return NX_OK;
}

void nx_file_unlock(nx_file *file)
{
    (void)flock(file->fd, LOCK_UN);
}
