/* The app's process, from the fork to the program's end. */
#include "cli/launcher.h"

#include "cli/cli.h"
#include "console/log.h"
#include "loop/crash.h"
#include "loop/loop.h"
#include "permission/broker.h"
#include "permission/environment.h"
#include "permission/seal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Where the app finds what it inherits. */
enum { BROKER_FD = 3, PROGRAM_FD = 4, FIRST_CLOSED = 5 };

static nx_err descriptors_place(int broker, int program)
{
    /* Up first: either may be where the other goes. */
    int b = fcntl(broker, F_DUPFD_CLOEXEC, FIRST_CLOSED),
        p = program < 0 ? -1 : fcntl(program, F_DUPFD_CLOEXEC, FIRST_CLOSED);
    if (b < 0 || dup3(b, BROKER_FD, O_CLOEXEC) < 0 ||
        (program >= 0 && (p < 0 || dup3(p, PROGRAM_FD, O_CLOEXEC) < 0)))
        return nx__error_system(errno, "cannot start the program");
    return NX_OK;
}

static nx_err prepare(const struct nx__launcher *l, struct nx__peer peer, int broker,
                      int (**entry)(int, char **))
{
    const struct nx__generation *own = peer.generation;
    int program = own->so_fd < 0 ? -1 : PROGRAM_FD;
    NX_TRY(descriptors_place(broker, own->so_fd));
    int first_closed = program < 0 ? PROGRAM_FD : FIRST_CLOSED;
    if (l->dev) NX_TRY(nx__dev_app_begin(l, first_closed++));
    NX_TRY(nx__seal(l->pid, first_closed));
    nx__permissions_open(&l->run->permissions);
    nx__environment_seal(&l->run->permissions);
    nx__broker_connect(BROKER_FD);
    nx__broker_worker(peer.index);
    NX_TRY(nx__crash_install(BROKER_FD));
    NX_TRY(nx__module_load_app(program, own->so_path, entry));
    nx__crash_modules_changed();
    return l->run->inspect.on ? nx__inspect_enter(l) : NX_OK;
}

void nx__app_run(const struct nx__launcher *l, struct nx__peer peer, int broker)
{
    const char *name = strrchr(l->run->file, '/');
    (void)prctl(PR_SET_NAME, name ? name + 1 : l->run->file); /* for ps and top */
    (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
    nx__say_to = nx__log_say;
    int (*entry)(int, char **);
    nx_err err = prepare(l, peer, broker, &entry);
    struct nx__profile *profile = peer.generation->workers[peer.index].profile;
    if (!err && profile) err = nx__profile_begin(profile);
    if (err) _exit(nx__cli_fail(err));
    exit(nx__program_run(entry, l->run->argc, l->run->argv));
}
