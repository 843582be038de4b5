/* Names for many addresses, read by a process of its own: debug information may be anything. */
#include "base/symbolize.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MOST = 5 };

void nx__symbolize_apart(void)
{
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) (void)sigaddset(&set, signals[i]);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* What follows may wait for a lock that another thread had: ThreadSanitizer's signal does. */
    (void)alarm(SECONDS_MOST);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) (void)signal(signals[i], SIG_DFL);
}

static size_t places_size(size_t count)
{
    return (count ? count : 1) * sizeof(struct nx__place);
}

struct nx__place *nx__places_new(size_t count)
{
    void *places =
        mmap(NULL, places_size(count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return places == MAP_FAILED ? NULL : places;
}

void nx__places_free(struct nx__place *places, size_t count)
{
    if (places) (void)munmap(places, places_size(count));
}

/* Who looks at another's files with the rights of root would be a tool in his hands. */
static bool rights_drop(uid_t owner, gid_t group)
{
    if (geteuid() != 0 || owner == 0) return true;
    return setgroups(0, NULL) == 0 && setresgid(group, group, group) == 0 &&
           setresuid(owner, owner, owner) == 0;
}

void nx__places_name(struct nx__place *places, size_t count, const char *const *files,
                     size_t file_count, uid_t owner, gid_t group)
{
    pid_t pid = fork();
    if (pid == 0) {
        nx__symbolize_apart();
        if (!rights_drop(owner, group)) _exit(1);
        for (size_t i = 0; i < count; i++) {
            struct nx__symbol symbol;
            const struct nx__place *p = &places[i];
            if (p->module < file_count &&
                nx__symbolize(files[p->module], p->address - p->is_return, &symbol))
                places[i].symbol = symbol;
        }
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}
