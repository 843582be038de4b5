/* Sealing the app's process. */
#include "permission/seal.h"

#include "base/error.h"
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A directory has a link for each directory in it, ".", and its name: two more than there are
 * threads. */
static bool single_thread(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink <= 3;
}

static void close_from(int first)
{
    if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
    enum {
        CLOSED_MOST = 65536
    }; /* a kernel before 5.9; a higher descriptor takes an unusual parent */
    struct rlimit files;
    rlim_t end = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < CLOSED_MOST
                     ? files.rlim_cur
                     : CLOSED_MOST;
    for (int fd = first; (rlim_t)fd < end; fd++) (void)close(fd);
}

nx_err nx__seal(pid_t launcher, int first_closed)
{
    if (!single_thread())
        return nx__error_set(NX_ESTATE,
                             "cannot seal the program: it has more than one thread already");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return nx__error_system(errno, "cannot tie the program to its launcher");
    /* It may have ended before the line above. */
    if (getppid() != launcher) return nx__error_set(NX_ESTATE, "the launcher has ended");
    /* Where Yama guards processes from each other, the launcher and who it starts may look in. */
    (void)prctl(PR_SET_PTRACER, launcher);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return nx__error_system(errno, "cannot give up gaining privileges");
    close_from(first_closed);
    return NX_OK;
}
