/* nexus test: compiling the files, and the processes of their tests. */
#include "cli/test.h"

#include "cli/cli.h"
#include "loop/crash.h"
#include "permission/broker.h"
#include "permission/environment.h"
#include "permission/hide.h"
#include "permission/hold.h"
#include "permission/seal.h"
#include "worker/apart.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where a process finds what it inherits. */
enum { PACKETS_FD = 3, PROGRAM_FD = 4, CONTROL_FD = 5, FIRST_CLOSED = 6 };

static struct nx__test_file *file_of(const struct nx__case *c)
{
    return c->suite->owner;
}

/* ---- In the new process */

static nx_err place(int packets, int program, int control)
{
    /* Up first: each may be where another goes. */
    int a = fcntl(packets, F_DUPFD_CLOEXEC, FIRST_CLOSED);
    int b = fcntl(program, F_DUPFD_CLOEXEC, FIRST_CLOSED);
    int c = control < 0 ? -1 : fcntl(control, F_DUPFD_CLOEXEC, FIRST_CLOSED);
    if (a < 0 || b < 0 || (control >= 0 && c < 0) || dup3(a, PACKETS_FD, O_CLOEXEC) < 0 ||
        dup3(b, PROGRAM_FD, O_CLOEXEC) < 0 || (c >= 0 && dup3(c, CONTROL_FD, O_CLOEXEC) < 0))
        return nx__error_system(errno, "cannot start the test");
    return NX_OK;
}

/* The folder of its own that a test has, which is made now: the kernel knows folders that are
 * there. */
static nx_err own_grant(struct nx__permissions *p, const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return nx__error_system(errno, "cannot make the folder \"%.150s\"", dir);
    NX_TRY(nx__permissions_grant(p, NX__PERMIT_READ, dir));
    return nx__permissions_grant(p, NX__PERMIT_WRITE, dir);
}

/* Seals the process and loads the file, whose code runs from here on. `control` is that of a
 * process worker; else -1. */
static nx_err load(struct nx__test_file *file, const struct nx__compiled *compiled, int packets,
                   int control, const char *dir)
{
    struct nx__tester *t = file->tester;
    struct nx__package *package = t->broker.package; /* of a process worker */
    struct nx__permissions *p = package ? &package->permissions : &file->run->permissions;
    nx__packages = file->run->packages;
    if (dir && !package) NX_TRY(own_grant(p, dir));
    if (file->coverage) NX_TRY(own_grant(p, file->coverage)); /* for the counts */
    nx__permissions_seal(p);
    int program =
        compiled->so_fd >= 0 ? compiled->so_fd : open(compiled->so_path, O_RDONLY | O_CLOEXEC);
    if (program < 0) return nx__error_system(errno, "cannot read \"%.150s\"", compiled->so_path);
    NX_TRY(place(packets, program, control));
    NX_TRY(nx__seal(getppid(), control < 0 ? CONTROL_FD : FIRST_CLOSED));
    if (!t->asan && nx__hold_binds(p)) NX_TRY(nx__hide(p, false));
    nx__permissions_open(p);
    nx__environment_seal(p);
    if (file->coverage && (setenv("GCOV_PREFIX", file->coverage, 1) != 0 ||
                           setenv("GCOV_PREFIX_STRIP", "99", 1) != 0))
        return nx__error_set(NX_ENOMEM, "cannot start the test: out of memory");
    nx__broker_connect(PACKETS_FD);
    /* A worker's crash may be what is tested: its report is part of what the test writes. */
    NX_TRY(nx__crash_install(control < 0 ? PACKETS_FD : -1));
    /* A sanitizer starts another process to read names by. */
    if (!t->asan) NX_TRY(nx__app_hold(p, PROGRAM_FD, false, false));
    void *handle;
    /* To that a path says more than a descriptor. */
    bool by_path = t->asan && strncmp(compiled->so_path, "/memfd:", 7) != 0;
    NX_TRY(nx__module_load(by_path ? -1 : PROGRAM_FD, compiled->so_path, &handle));
    if (!nx__tests()) nx__tests_find(handle);
    if (nx__tests()) nx__program_landmark = (uintptr_t)nx__tests()->run;
    return NX_OK;
}

static void process_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    (void)prctl(PR_SET_NAME, slash ? slash + 1 : path); /* for ps and top */
}

/* The project is where tests look for their files. */
static nx_err enter_project(const struct nx__test_file *file)
{
    if (chdir(file->root) == 0) return NX_OK;
    return nx__error_system(errno, "cannot enter \"%.150s\"", file->root);
}

static void help(const struct nx__launcher *l, struct nx__peer peer, int broker, int control)
{
    const struct nx__case *asking = l->asker;
    struct nx__test_file *file = file_of(asking);
    (void)peer;
    /* With the test, and what that starts, it ends. */
    (void)setpgid(0, asking->job.pid);
    (void)sigprocmask(SIG_SETMASK, &file->tester->pool.mask, NULL);
    nx_err err = load(file, &file->compiled, broker, control, asking->dir);
    if (!err) err = enter_project(file);
    if (err) _exit(nx__cli_fail(err));
    exit(nx__apart_run(CONTROL_FD, 0, (char *[]){NULL}));
}

void nx__test_enter(struct nx__case *c, int packets)
{
    struct nx__test_file *file = file_of(c);
    process_name(file->path);
    nx_err err = load(file, &file->compiled, packets, -1, c->dir);
    nx_test *test = nx__tests();
    for (unsigned i = 0; test && i < c->index; i++) test = test->next;
    if (!err && !test) err = nx__error_set(NX_ESTATE, "the test is not there any more");
    if (!err) err = enter_project(file);
    if (err) _exit(nx__cli_fail(err));
    const struct nx__test_options options = {
        .fd = PACKETS_FD, .dir = c->dir, .deadline = file->tester->config.deadline};
    nx__test_run(test, &options);
}

static struct nx__compile_request request_of(const struct nx__test_file *file)
{
    const struct nx__tester *t = file->tester;
    bool flags = t->flags[0] != NULL;
    return (struct nx__compile_request){.path = file->path,
                                        .release = t->release,
                                        .compiler = t->compiler,
                                        .flags = flags ? t->flags : NULL};
}

static void prepare_enter(struct nx__job *job, int packets)
{
    struct nx__test_file *file = (struct nx__test_file *)job;
    struct nx__compile_request request = request_of(file);
    request.refresh = file->tester->refresh || file->coverage;
    request.notes = file->coverage;
    process_name(file->path);
    nx_err err = nx__module_compile(&request, &file->compiled);
    if (err == NX_ECOMPILE) _exit((int)err); /* the compiler has said it */
    if (!err) err = load(file, &file->compiled, packets, -1, NULL);
    if (err) _exit(nx__cli_fail(err));
    nx__tests_list(&(struct nx__test_options){.fd = PACKETS_FD});
    _exit(0); /* nothing of the file's own has to run for this */
}

/* ---- In the command */

static void prepare_packet(struct nx__job *job, const struct nx__test_packet *packet)
{
    struct nx__test_file *file = (struct nx__test_file *)job;
    if (packet->kind != NX__TEST_LISTED || !packet->first_size || !packet->second_size) return;
    unsigned index = file->listed++;
    if (!nx__test_wanted(&file->tester->config, packet->text, packet->numbers[2] > 0)) return;
    if (nx__suite_add(&file->suite, packet, index)) nx__cli_say("%s", nx__error_last()->message);
}

/* What the process said becomes the reason why the file can't be run. */
static void prepare_failed(struct nx__test_file *file)
{
    int status = file->job.status;
    struct nx__buffer *said = file->job.output.len ? &file->job.output : &file->job.report;
    file->suite.failure_code =
        WIFEXITED(status) && WEXITSTATUS(status) ? (nx_err)WEXITSTATUS(status) : NX_EFAILED;
    if (said->len)
        file->suite.failure = strndup(said->data, said->len);
    else if (asprintf(&file->suite.failure, "loading it ended with %s %d",
                      WIFSIGNALED(status) ? "signal" : "exit code",
                      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)) < 0)
        file->suite.failure = NULL;
    if (!file->suite.failure) file->suite.failure = strdup("out of memory");
}

static void prepare_ended(struct nx__job *job)
{
    struct nx__test_file *file = (struct nx__test_file *)job;
    if (file->tester->pool.stop) return;
    /* Found in the cache now; also what is known of a file that does not compile, for --watch. */
    struct nx__compile_request request = request_of(file);
    bool failed = job->status != 0;
    nx_err err = failed ? NX_OK : nx__module_compile(&request, &file->compiled);
    nx__launcher_warn(&file->compiled);
    if (err) {
        file->suite.failure_code = err;
        file->suite.failure = strdup(nx__error_last()->message);
    } else if (failed) {
        prepare_failed(file);
    }
    if (!failed && job->output.len) /* warnings */
        (void)fwrite(job->output.data, 1, job->output.len, stderr);
}

static struct nx__job *prepare_next(struct nx__pool *pool)
{
    struct nx__tester *t = nx__container_of(pool, struct nx__tester, pool);
    if (t->next_file == t->file_count) return NULL;
    struct nx__test_file *file = &t->files[t->next_file++];
    file->job = (struct nx__job){.enter = prepare_enter,
                                 .packet = prepare_packet,
                                 .ended = prepare_ended,
                                 .limit = NX_S(300)};
    return &file->job;
}

/* Writes compile_commands.json anew in each project, where the sources of the tests are not in it.
 */
static void tell_editors(const struct nx__tester *t)
{
    struct nx__compdb db = {0};
    for (size_t i = 0; i < t->file_count; i++) {
        const struct nx__test_file *file = &t->files[i];
        nx__compdb_note(&db, &file->compiled);
        bool last = i + 1 == t->file_count || strcmp(file->root, file[1].root) != 0;
        if (last) NX_IGNORE(nx__compdb_write(&db, file->path)); /* the tests matter more */
    }
}

void nx__test_files_prepare(struct nx__tester *t)
{
    for (size_t i = 0; i < t->file_count; i++) {
        struct nx__test_file *file = &t->files[i];
        file->suite.path = strdup(file->path);
        file->suite.owner = file;
        nx_err err = t->coverage ? nx__coverage_prepare(t, file) : NX_OK;
        if (!file->suite.path || err) nx__cli_say("%s", nx__error_last()->message);
    }
    t->pool.parallel = t->config.parallel;
    t->pool.next = prepare_next;
    nx__pool_run(&t->pool);
    tell_editors(t);
}

/* ---- What tests ask: sockets to listen on, imports */

/* A test is a generation of one process, which has no workers but those that are started for it. */
static struct nx__generation generation_of(const struct nx__case *c)
{
    struct nx__generation generation = {.number = (uint32_t)c->number + 1, .count = 1, .so_fd = -1};
    generation.workers[0] =
        (struct nx__process){.pid = c->job.pid, .broker = c->job.packets, .kept = c->kept};
    return generation;
}

void nx__test_serve(struct nx__case *c)
{
    struct nx__test_file *file = file_of(c);
    struct nx__launcher *broker = &file->tester->broker;
    struct nx__generation generation = generation_of(c);
    nx__serve_for(broker, file->run, NULL);
    broker->run->file = file->path;
    broker->asker = c;
    (void)nx__serve_packet(broker, (struct nx__peer){.generation = &generation});
    c->job.packets = generation.workers[0].broker;
    c->kept = generation.workers[0].kept;
}

void nx__test_forget(struct nx__case *c)
{
    struct nx__launcher *broker = &file_of(c)->tester->broker;
    nx__held_forget(broker, (uint32_t)c->number + 1, 1);
    nx__held_sweep(broker, false);
}

/* ---- Process workers, which run beside the tests */

_Static_assert(2 * NX__HELPERS_MAX <= NX__BESIDE_MOST, "more than the runner polls for");

static size_t helpers_poll(void *broker, struct pollfd *fds)
{
    return nx__helpers_poll(broker, fds);
}

static void helpers_turn(void *broker, const struct pollfd *fds, size_t count, bool ended)
{
    nx__helpers_turn(broker, fds, count);
    if (!ended) return;
    nx__helpers_reap(broker);
    /* Keepers: all others have groups of their own. */
    while (waitpid(0, NULL, WNOHANG) > 0) {}
}

/* Where it can't, the keeper refuses. */
static void keep(struct nx__launcher *broker, void *asker)
{
    const struct nx__case *c = asker;
    NX_IGNORE(own_grant(&broker->run->permissions, c->dir));
}

void nx__test_helpers_begin(struct nx__pool *pool, struct nx__launcher *broker)
{
    broker->help = help;
    broker->keep = keep;
    pool->beside = broker;
    pool->beside_poll = helpers_poll;
    pool->beside_turn = helpers_turn;
}
