/* Looking into another process: its memory and the registers of its threads. */
#include "cli/peek.h"

#include "base/clock.h"
#include "base/utf8.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a thread may take to stop. */
static const nx_duration PATIENCE = NX_S(1);

enum { PAGE = 4096 };

/* ---- Memory */

static bool read_now(const struct nx__peek *peek, uintptr_t at, void *out, size_t len)
{
    struct iovec here = {.iov_base = out, .iov_len = len},
                 there = {.iov_base = (void *)at, .iov_len = len};
    return process_vm_readv(peek->pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

bool nx__peek_read(struct nx__peek *peek, uintptr_t at, void *out, size_t len)
{
    if (at >= peek->window_at && at - peek->window_at <= peek->window_len &&
        len <= peek->window_len - (at - peek->window_at)) {
        memcpy(out, peek->window + (at - peek->window_at), len);
        return true;
    }
    if (len > PAGE) return read_now(peek, at, out, len);
    /* What lies above on the stack is asked for next. */
    size_t room = PAGE - at % PAGE;
    nx__peek_ahead(peek, at, room < len ? len : room);
    if (peek->window_len) memcpy(out, peek->window, len);
    return peek->window_len;
}

void nx__peek_ahead(struct nx__peek *peek, uintptr_t at, size_t len)
{
    peek->window_at = at;
    peek->window_len = read_now(peek, at, peek->window, len) ? len : 0;
}

void nx__peek_text(struct nx__peek *peek, uintptr_t at, char *out, size_t size)
{
    size_t n = 0;
    while (at && n + 1 < size && nx__peek_read(peek, at + n, out + n, 1) && out[n]) n++;
    out[n] = '\0';
    nx__utf8_clean(out, size);
}

/* ---- What /proc says */

/* Reads a file of the process; the length, or -1 with errno. */
static ssize_t proc_read(pid_t pid, const char *file, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    size_t n = fread(out, 1, size - 1, f);
    bool failed = ferror(f);
    int error = errno;
    (void)fclose(f);
    out[n] = '\0';
    errno = error;
    return failed ? -1 : (ssize_t)n;
}

/* The fields of /proc/PID/stat behind the name, which may hold anything: from 3 on. */
static const char *stat_fields(char *text, char *name, size_t size)
{
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open) return NULL;
    *close = '\0';
    if (name) (void)snprintf(name, size, "%s", open + 1);
    return close + 2;
}

static bool stat_read(struct nx__peek *peek)
{
    char text[1024];
    if (proc_read(peek->pid, "stat", text, sizeof text) <= 0) return false;
    const char *fields = stat_fields(text, peek->name, sizeof peek->name);
    unsigned long long user, system, started;
    long pages;
    if (!fields ||
        sscanf(
            fields,
            "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %u %*d %llu %*u %ld",
            &peek->state, &peek->parent, &user, &system, &peek->threads, &started, &pages) != 7)
        return false;
    nx__utf8_clean(peek->name, sizeof peek->name);
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    peek->cpu_ms = (user + system) * 1000 / hz;
    peek->memory = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    peek->up = nx__clock(CLOCK_BOOTTIME) - (nx_duration)(started * 1000000000 / hz);
    return true;
}

/* The number behind `label` in /proc/PID/status or another list of labels. */
static uint64_t number_of(pid_t pid, const char *file, const char *label)
{
    char text[8192];
    if (proc_read(pid, file, text, sizeof text) <= 0) return 0;
    const char *at = strstr(text, label);
    return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

static nx_err refused(const struct nx__peek *peek)
{
    int pid = (int)peek->pid;
    uid_t self = geteuid();
    if (self != 0 && peek->owner != self) {
        const struct passwd *user = getpwuid(peek->owner);
        char text[64];
        (void)snprintf(text, sizeof text, "%s%.40s", user ? "user " : "",
                       user ? user->pw_name : "");
        if (!user) (void)snprintf(text, sizeof text, "the user with number %u", peek->owner);
        return nx__error_set(
            NX_EPERM, "cannot look into process %d: it belongs to %s; only that user and root may",
            pid, text);
    }
    uint64_t tracer = number_of(peek->pid, "status", "\nTracerPid:");
    if (tracer)
        return nx__error_set(NX_EPERM,
                             "cannot look into process %d: a debugger has it (process %llu)", pid,
                             (unsigned long long)tracer);
    return nx__error_set(
        NX_EPERM,
        "cannot look into process %d: the system lets no process look into another "
        "(kernel.yama.ptrace_scope, or a container's rules); kill -QUIT on the PID of nexus run "
        "may work, or sudo nexus dump %d",
        pid, pid);
}

/* ---- The note */

static bool note_find(struct nx__peek *peek, uintptr_t notes, size_t len, uintptr_t *out)
{
    char bytes[4096];
    if (len > sizeof bytes) len = sizeof bytes;
    if (!read_now(peek, notes, bytes, len)) return false;
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= len;) {
        Elf64_Nhdr head;
        memcpy(&head, bytes + at, sizeof head);
        size_t name = at + sizeof head, content = name + ((head.n_namesz + 3u) & ~3u);
        if (head.n_namesz > len || head.n_descsz > len || content + head.n_descsz > len)
            return false;
        if (head.n_namesz == 6 && memcmp(bytes + name, "Nexus", 6) == 0 &&
            head.n_type == NX__LOOPS_NOTE && head.n_descsz == 8) {
            int64_t distance;
            memcpy(&distance, bytes + content, 8);
            *out = notes + content + (uintptr_t)distance;
            return true;
        }
        at = content + ((head.n_descsz + 3u) & ~3u);
    }
    return false;
}

/* Where the program's headers lie, by the auxiliary vector; from there its notes. */
static bool loops_find(struct nx__peek *peek, const char *vector, size_t len, uintptr_t *out)
{
    Elf64_auxv_t entry;
    uintptr_t table = 0;
    size_t count = 0;
    for (size_t at = 0; at + sizeof entry <= len; at += sizeof entry) {
        memcpy(&entry, vector + at, sizeof entry);
        if (entry.a_type == AT_PHDR) table = entry.a_un.a_val;
        if (entry.a_type == AT_PHNUM) count = entry.a_un.a_val;
    }
    Elf64_Phdr headers[64];
    if (count > sizeof headers / sizeof *headers) count = sizeof headers / sizeof *headers;
    if (!table || !read_now(peek, table, headers, count * sizeof *headers)) return false;
    uintptr_t base = 0;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR) base = table - headers[i].p_vaddr;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE &&
            note_find(peek, base + headers[i].p_vaddr, headers[i].p_memsz, out))
            return true;
    return false;
}

/* ---- Code */

/* A path by which the file can be opened from here: one that is gone, or lies in memory, may still
 * be open in the process or in its launcher. */
static char *module_path(const struct nx__peek *peek, const char *shown, unsigned long inode)
{
    char path[PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%d/root%s", (int)peek->pid, shown);
    if (stat(path, &st) == 0 && st.st_ino == inode) return strdup(path);
    const pid_t holders[] = {peek->pid, peek->parent};
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)peek->pid);
    if (stat(path, &st) == 0 && st.st_ino == inode) return strdup(path);
    for (size_t h = 0; h < 2; h++)
        for (int fd = 3; fd < 16; fd++) {
            (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)holders[h], fd);
            if (stat(path, &st) == 0 && st.st_ino == inode) return strdup(path);
        }
    return strdup(shown);
}

/* Adds the module unless it is the last one; its index, or NX__PEEK_MODULES. */
static uint32_t module_add(struct nx__peek *peek, const char *shown, unsigned long inode)
{
    for (uint32_t i = peek->module_count; i-- > 0;)
        if (strcmp(peek->shown[i], shown) == 0) return i;
    if (peek->module_count == NX__PEEK_MODULES) return NX__PEEK_MODULES;
    uint32_t index = peek->module_count;
    peek->shown[index] = strdup(shown);
    peek->modules[index] = module_path(peek, shown, inode);
    if (!peek->shown[index] || !peek->modules[index]) {
        free(peek->shown[index]);
        free(peek->modules[index]);
        peek->shown[index] = peek->modules[index] = NULL;
        return NX__PEEK_MODULES;
    }
    nx__utf8_clean(peek->shown[index], strlen(peek->shown[index]) + 1);
    peek->module_count++;
    return index;
}

/* The mappings of a file come together; its first one is where it is loaded, if it begins with the
 * file's beginning. */
static void maps_read(struct nx__peek *peek)
{
    char path[64], line[PATH_MAX + 128], last[PATH_MAX] = "", program[PATH_MAX];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)peek->pid);
    ssize_t n = readlink(path, program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    (void)module_add(peek, program, 0);
    if (peek->module_count) {
        free(peek->modules[0]);
        peek->modules[0] = strdup(path);
    }
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)peek->pid);
    FILE *f = fopen(path, "re");
    if (!f) return;
    uintptr_t base = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to, offset, inode;
        char mode[5];
        int at = 0;
        if (sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu %n", &from, &to, mode, &offset, &inode, &at) <
            5)
            continue;
        char *file = line + at;
        file[strcspn(file, "\n")] = '\0';
        if (!*file) continue;
        if (strcmp(file, last) != 0) {
            base = from - offset;
            (void)snprintf(last, sizeof last, "%s", file);
        }
        if (mode[2] != 'x' || peek->code_count == NX__PEEK_CODE) continue;
        uint32_t module = module_add(peek, file, inode);
        if (module == NX__PEEK_MODULES) continue;
        peek->code[peek->code_count++] =
            (struct nx__code){from, to, base, module, nx__code_kind(file, module, peek->alone)};
    }
    (void)fclose(f);
}

void nx__peek_code(struct nx__peek *peek)
{
    maps_read(peek);
}

/* ---- Open and close */

/* Started by a launcher: its parent runs the same program and has no loop of its own. */
static bool has_launcher(const struct nx__peek *peek)
{
    char a[64], b[64];
    struct stat own, other;
    (void)snprintf(a, sizeof a, "/proc/%d/exe", (int)peek->pid);
    (void)snprintf(b, sizeof b, "/proc/%d/exe", (int)peek->parent);
    return stat(a, &own) == 0 && stat(b, &other) == 0 && own.st_ino == other.st_ino &&
           own.st_dev == other.st_dev;
}

nx_err nx__peek_open(struct nx__peek *peek, pid_t pid)
{
    *peek = (struct nx__peek){.pid = pid};
    char path[64], vector[1024];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (pid <= 0 || stat(path, &st) != 0)
        return nx__error_set(NX_ENOENT, "there is no process %d", (int)pid);
    peek->owner = st.st_uid;
    peek->group = st.st_gid;
    if (!stat_read(peek)) return nx__error_set(NX_ENOENT, "there is no process %d", (int)pid);
    if (peek->state == 'Z' || peek->state == 'X')
        return nx__error_set(NX_ENOENT, "process %d has ended, and only its parent has not noticed",
                             (int)pid);
    ssize_t len = proc_read(pid, "auxv", vector, sizeof vector);
    if (len < 0 && (errno == EACCES || errno == EPERM)) return refused(peek);
    uintptr_t at;
    char probe;
    if (len > 0 && !loops_find(peek, vector, (size_t)len, &at)) {
        struct iovec here = {&probe, 1}, there = {(void *)1, 1};
        if (process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 && errno == EPERM)
            return refused(peek);
        len = 0;
    }
    if (len <= 0)
        return nx__error_set(NX_EINVAL, "process %d (%s) is no Nexus program", (int)pid,
                             peek->name);
    /* The start of it lies the same in all versions. */
    if (!read_now(peek, at, &peek->loops, sizeof peek->loops) ||
        memcmp(peek->loops.magic, "NXLOOPS", 8) != 0)
        return nx__error_set(NX_EINVAL, "process %d (%s) is no Nexus program", (int)pid,
                             peek->name);
    peek->loops.version[sizeof peek->loops.version - 1] = '\0';
    if (peek->loops.layout != NX__LOOPS_LAYOUT)
        return nx__error_set(
            NX_EINVAL,
            "process %d (%s) runs another Nexus (%.19s; this is %s): use the command that it came with",
            (int)pid, peek->name, peek->loops.version, NX_VERSION);
    peek->alone = !has_launcher(peek);
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *fds = opendir(path);
    if (fds) {
        while (readdir(fds)) peek->descriptors++;
        (void)closedir(fds);
        peek->descriptors -= peek->descriptors >= 2 ? 2 : peek->descriptors;
    }
    peek->descriptors_most = number_of(pid, "limits", "Max open files");
    return NX_OK;
}

void nx__peek_close(struct nx__peek *peek)
{
    (void)nx__peek_resume(peek);
    for (uint32_t i = 0; i < peek->module_count; i++) {
        free(peek->modules[i]);
        free(peek->shown[i]);
    }
    peek->module_count = 0;
}

bool nx__peek_has_loops(const struct nx__peek *peek)
{
    for (size_t i = 0; i < NX__LOOPS_MOST; i++)
        if (peek->loops.list[i]) return true;
    return false;
}

/* ---- Threads */

/* What the program's memory says may be wrong on purpose, or true only in a container of its own.
 */
static nx_err thread_check(const struct nx__peek *peek, pid_t thread)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d", (int)peek->pid, (int)thread);
    if (thread > 0 && access(path, F_OK) == 0) return NX_OK;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)thread);
    if (access(path, F_OK) != 0)
        return nx__error_set(NX_ENOENT, "thread %d of process %d has just ended", (int)thread,
                             (int)peek->pid);
    return nx__error_set(NX_ESTATE,
                         "cannot look into process %d: it names thread %d, which is none of its "
                         "own; of a program in a container, nexus dump is run in there",
                         (int)peek->pid, (int)thread);
}

static nx_err registers(pid_t thread, struct nx__machine *m, long *system_call)
{
#if defined(__riscv)
    unsigned long r[32];
#else
    struct user_regs_struct r;
#endif
    struct iovec part = {&r, sizeof r};
    if (ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &part) != 0)
        return nx__error_system(errno, "cannot read the registers of thread %d", (int)thread);
#if defined(__x86_64__)
    *m = (struct nx__machine){r.rip, r.rsp, r.rbp, false};
    *system_call = (long)r.orig_rax;
#elif defined(__aarch64__)
    int number = -1;
    struct iovec call = {&number, sizeof number};
    (void)ptrace(PTRACE_GETREGSET, thread, (void *)NT_ARM_SYSTEM_CALL, &call);
    *m = (struct nx__machine){r.pc, r.sp, r.regs[29], false};
    *system_call = number;
#else
    *m = (struct nx__machine){r[0], r[2], r[8], false};
    *system_call = -1;
#endif
    return NX_OK;
}

nx_err nx__peek_stop(struct nx__peek *peek, pid_t thread, struct nx__machine *machine,
                     long *system_call)
{
    *system_call = -1;
    if (peek->stopped_count == NX__LOOPS_MOST)
        return nx__error_set(NX_ELIMIT, "too many threads to stop");
    NX_TRY(thread_check(peek, thread));
    if (!peek->stopped_at) peek->stopped_at = nx__clock_monotonic();
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0)
        return errno == EPERM
                   ? refused(peek)
                   : nx__error_system(errno, "cannot look into process %d", (int)peek->pid);
    peek->stopped[peek->stopped_count].thread = thread;
    peek->stopped[peek->stopped_count++].signo = 0;
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0)
        return nx__error_system(errno, "cannot stop thread %d", (int)thread);
    nx_duration until = nx__clock_monotonic() + PATIENCE;
    struct timespec moment = {.tv_nsec = 20000};
    int status = 0;
    while (waitpid(thread, &status, __WALL | WNOHANG) == 0) {
        if (nx__clock_monotonic() > until)
            return nx__error_set(NX_ETIMEDOUT, "thread %d does not stop", (int)thread);
        (void)nanosleep(&moment, NULL);
    }
    if (!WIFSTOPPED(status))
        return nx__error_set(NX_ENOENT, "process %d has just ended", (int)peek->pid);
    /* A signal that came first is the program's. */
    if (status >> 16 == 0) peek->stopped[peek->stopped_count - 1].signo = WSTOPSIG(status);
    NX_TRY(thread_check(peek, thread)); /* again: now its number can't become another's */
    return registers(thread, machine, system_call);
}

nx_duration nx__peek_resume(struct nx__peek *peek)
{
    /* One that did not stop can't be detached; it goes on by itself, and is let go with our end. */
    while (peek->stopped_count) {
        peek->stopped_count--;
        uintptr_t signo = (uintptr_t)peek->stopped[peek->stopped_count].signo;
        (void)ptrace(PTRACE_DETACH, peek->stopped[peek->stopped_count].thread, NULL, (void *)signo);
    }
    nx_duration span = peek->stopped_at ? nx__clock_monotonic() - peek->stopped_at : 0;
    peek->stopped_at = 0;
    return span;
}

/* ---- Processes */

size_t nx__peek_tree(pid_t root, pid_t *out, size_t most)
{
    size_t count = 0;
    out[count++] = root;
    /* Each time through the list may find children of those found before. */
    for (size_t before = 0; before != count;) {
        before = count;
        DIR *proc = opendir("/proc");
        if (!proc) return count;
        for (const struct dirent *entry; (entry = readdir(proc)) && count < most;) {
            char *end, text[512];
            pid_t pid = (pid_t)strtol(entry->d_name, &end, 10), parent;
            if (*end || pid <= 0 || proc_read(pid, "stat", text, sizeof text) <= 0) continue;
            const char *fields = stat_fields(text, NULL, 0);
            if (!fields || sscanf(fields, "%*c %d", &parent) != 1) continue;
            bool known = false, below = false;
            for (size_t i = 0; i < count; i++) {
                known |= out[i] == pid;
                below |= out[i] == parent;
            }
            if (below && !known) out[count++] = pid;
        }
        (void)closedir(proc);
    }
    return count;
}
