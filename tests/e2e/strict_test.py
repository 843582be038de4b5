"""--permissions=strict: what the kernel holds more closely, and the keeper, which makes calls for a program."""
import errno
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from held_test import landlock, may_all
from support import NEXUS, free_port
from tools_test import refuse_call

TRY = """
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %s\\n", what, result >= 0 ? "in" : strerrorname_np(errno));
}

int main(int argc, char **argv)
{
    say("file", open(argv[1], O_RDONLY));
    say("beside", open(argv[2], O_RDONLY));
    say("into", open(argv[1], O_WRONLY));
    say("mode", chmod(argv[1], 0644));
    say("watch", inotify_init1(0));
    say("tcp", socket(AF_INET, SOCK_STREAM, 0));
    say("udp", socket(AF_INET, SOCK_DGRAM, 0));
    say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    say("scheduled", sched_setaffinity(0, sizeof set, &set));
    say("scheduling", sched_setaffinity(getppid(), sizeof set, &set));
    for (int i = 3; i < argc; i++) say("replaced", nx_fs_write_file(argv[i], nx_str("new")) ? -1 : 0);
    return 0;
}
"""

CONNECT = """
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void try_it(const char *host, int port, int kind)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | kind, 0), error = 0;
    socklen_t len = sizeof error;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int result = connect(fd, (struct sockaddr *)&to, sizeof to);
    if (result < 0 && errno == EINPROGRESS && poll(&ready, 1, 30000) == 1) {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        result = error ? -1 : 0;
        errno = error;
    }
    printf("%s %s: %s\\n", kind ? "later" : "waiting", host, result ? strerrorname_np(errno) : "in");
    close(fd);
}

static int port;
static void *thread(void *arg)
{
    try_it("127.0.0.1", port, 0);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t other;
    port = atoi(argv[1]);
    for (int kind = 0; kind <= SOCK_NONBLOCK; kind += SOCK_NONBLOCK) {
        try_it("127.0.0.1", port, kind);
        try_it("127.0.0.2", port, kind);
        try_it("127.0.0.1", 1, kind);
    }
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    struct sockaddr away = {.sa_family = AF_UNSPEC};
    printf("away: %s\\n", connect(socket(AF_INET, SOCK_STREAM, 0), &away, sizeof away) ? strerrorname_np(errno) : "in");
    printf("number: %s\\n", connect(1000, &away, sizeof away) ? strerrorname_np(errno) : "in");
    printf("memory: %s\\n", connect(0, (struct sockaddr *)8, sizeof away) ? strerrorname_np(errno) : "in");
    return 0;
}
"""

NAMES = """
#define _GNU_SOURCE 1
#include <nexus.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int port;
static void raw(const char *what, const char *address, int at)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at)};
    inet_pton(AF_INET, address, &to.sin_addr);
    printf("%s %s: %s\\n", what, address, connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to) ? strerrorname_np(errno) : "in");
}
static void name(const char *host)
{
    nx_conn *conn;
    nx_err err = nx_net_connect(&conn, nx_format("%s:%d", host, port));
    printf("name %s: %s\\n", host, err ? nx_err_name(err) : "in");
    if (!err) nx_conn_close(conn);
}
static void asked(const char *host)
{
    static struct { char name[256]; int family; unsigned count; char addresses[1024]; } names;
    snprintf(names.name, sizeof names.name, "%s", host);
    printf("asked %s: %s\\n", host, syscall(SYS_quotactl, 0x4e584b02, &names, 0, 0) < 0 ? strerrorname_np(errno) : names.count ? "in" : "none");
}
int main(int argc, char **argv)
{
    port = atoi(argv[1]);
    raw("raw", "127.0.0.2", port);
    name("api.example.test");
    raw("raw", "127.0.0.2", port);
    raw("other port", "127.0.0.2", atoi(argv[2]));
    name("a.b.wild.test");
    raw("raw", "127.0.0.3", port);
    name("wild.test");
    name("other.test");
    name("inner.test");
    raw("raw", "127.0.0.9", port);
    asked("other.test");
    asked("api.example.test");
    nx_dns_records records;
    printf("%s\\n", nx_dns_query("api.example.test", NX_DNS_TXT, &records) ? nx_error_last()->message : "in");
    fflush(stdout);
    getchar();
    raw("raw", "127.0.0.6", port);
    name("api.example.test");
    raw("raw", "127.0.0.6", port);
    return 0;
}
"""

COVERED = """
#define _GNU_SOURCE 1
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
static void say(const char *what, long result)
{
    printf("%s: %s\\n", what, result < 0 ? strerrorname_np(errno) : "in");
}
static void reads(const char *path)
{
    say(path, open(path, O_RDONLY));
}
int main(int argc, char **argv)
{
    char path[4096];
    reads("a");
    reads("private/a");
    reads("private/in/a");
    reads("secret");
    reads("link");
    snprintf(path, sizeof path, "/proc/self/root%s/private/a", argv[1]);
    say("by root", open(path, O_RDONLY));
    int here = open(".", O_RDONLY | O_DIRECTORY);
    say("by handle", openat(here, "private/a", O_RDONLY));
    errno = ENOENT; /* it was this folder */
    say("by input", openat(0, "a", O_RDONLY) < 0 ? (errno = ENOENT, -1) : 0);
    say("by working folder", open("private/../private/a", O_RDONLY));
    int count = -2;
    DIR *dir = opendir("private");
    while (dir && readdir(dir)) count++;
    printf("in it: %d\\n", count);
    reads("kept/a");
    say("kept/a written", open("kept/a", O_WRONLY));
    say("kept/new", open("kept/new", O_WRONLY | O_CREAT, 0600));
    say("kept moved", rename("kept", "moved"));
    say("kept mode", chmod("kept/a", 0600));
    say("private mode", chmod("private", 0777));
    say("a mode", chmod("a", 0600));
    say("uncovered", umount2("private", MNT_DETACH));
    say("left", unshare(CLONE_NEWNS));
    return 0;
}
"""

REVOKE = """
#include <nexus.h>
#include <nexus/permission.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    printf("%d %d\\n", chmod("one", 0600), chmod("other", 0600));
    NX_TRY(nx_permission_revoke(NX_PERMISSION_WRITE, "one"));
    printf("%d %d\\n", chmod("one", 0600), chmod("other", 0600));
    NX_TRY(nx_permission_revoke(NX_PERMISSION_WRITE, NULL));
    printf("%d %d\\n", chmod("one", 0600), chmod("other", 0600));
    printf("connect %d\\n", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to));
    NX_TRY(nx_permission_revoke(NX_PERMISSION_CONNECT, "127.0.0.0/8"));
    printf("connect %d\\n", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to));
    return 0;
}
"""

MORE = """
#include <nexus.h>
#include <nexus/module.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* As the runtime asks: magic number, kind, and no text. */
static int ask(int launcher, int fd)
{
    uint32_t request[11] = {0x4e58424b, 11};
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {request, 41};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(launcher, &m, MSG_NOSIGNAL) == 41;
}
int main(void)
{
    int type = 0, sent = 0, null = open("/dev/null", O_RDWR), launcher = 3;
    socklen_t len = sizeof type;
    while (launcher < 20 && (getsockopt(launcher, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_SEQPACKET)) launcher++;
    for (int i = 0; i < 50; i++) sent += ask(launcher, null);
    printf("sent %d\\n", sent);
    nx_module *module;
    printf("%s\\n", nx_err_name(nx_import(&module, "./nothing.c")));
    fflush(stdout);
    return getchar() == EOF;
}
"""

WORKER = """
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/worker.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static nx_err change(nx_port *port)
{
    char said[64];
    int len = snprintf(said, sizeof said, "%s, %s", chmod("one", 0640) ? strerror(errno) : "in", chmod("/tmp", 01777) ? strerror(errno) : "in");
    return nx_port_send(port, nx_slice(said, (size_t)len));
}

int main(void)
{
    nx_fiber *worker;
    nx_port *port;
    nx_bytes said;
    NX_TRY(nx_process_worker_start(&worker, &port, change));
    NX_TRY(nx_port_recv(port, &said));
    printf("%.*s\\n", (int)said.len, said.data);
    return nx_join(worker);
}
"""

SERVER = """
#include <nexus/http.h>
#include <stdlib.h>
static nx_err hello(nx_request *req, nx_response *res)
{
    return nx_response_send(res, "hello");
}
int main(int argc, char **argv)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[1]));
    nx_http_route(server, "GET", "/", hello);
    return nx_http_listen(server);
}
"""


def processes(name, of=None):
    """Those of that name, of one parent."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                own, _, rest = f.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if own == name and state != "Z" and of in (None, int(parent)):
            found.append(int(pid))
    return found


@unittest.skipIf(landlock() < 6, "what is held strictly needs version 6 of Landlock")
class Strict(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, text in (("try.c", TRY), ("server.c", SERVER), ("one", "1"), ("other", "2")):
            with open(f"{self.folder}/{name}", "w") as f:
                f.write(text)

    def run_it(self, *flags, files=(), strict=True):
        result = subprocess.run(
            [NEXUS, "run", "--no-prompt", "--watchdog=0", *(["--permissions=strict"] if strict else []), *flags, "try.c", "--", "one", "other", *files],
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return dict(line.split(": ") for line in result.stdout.splitlines())

    def test_a_file_is_that_file(self):
        loose, found = self.run_it("--allow-read=one", strict=False), self.run_it("--allow-read=one")
        self.assertEqual((loose["file"], loose["beside"], loose["scheduled"], loose["scheduling"]), ("in", "in", "in", "in"))
        self.assertEqual((found["scheduled"], found["scheduling"]), ("in", "EPERM"))
        self.assertEqual((found["file"], found["beside"], found["into"]), ("in", "EACCES", "EACCES"))

    def test_a_folder_is_all_in_it(self):
        found = self.run_it("--allow-read=.")
        self.assertEqual((found["file"], found["beside"], found["into"], found["watch"]), ("in", "in", "EACCES", "EPERM"))
        self.assertEqual(self.run_it("--allow-read")["watch"], "in")

    def test_modes_are_for_what_may_be_written(self):
        found = self.run_it("--allow-write=one", "--allow-read=.")
        self.assertEqual((found["into"], found["mode"]), ("in", "in"))
        self.assertEqual(self.run_it("--allow-write=other", "--allow-read=.")["mode"], "EPERM")
        self.assertEqual(self.run_it("--allow-write")["mode"], "in")
        found = self.run_it("--allow-write=.", "--allow-read=.", files=("one", "new"))
        self.assertEqual(found["replaced"], "in")
        with open(f"{self.folder}/one") as f:
            self.assertEqual(f.read(), "new")

    def test_the_keeper_ends_with_the_program(self):
        with open(f"{self.folder}/wait.c", "w") as f:
            f.write("#include <stdio.h>\n#include <sys/stat.h>\n"
                    "int main(void) { printf(\"%d\\n\", chmod(\"one\", 0600)); fflush(stdout); return getchar() == EOF; }\n")
        with subprocess.Popen([NEXUS, "run", "--no-prompt", "--allow-write=.", "wait.c"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline(), b"0\n")
            keeper, = processes("nexus keeper", of=run.pid)
            run.communicate(b"x", timeout=60)
        until = time.monotonic() + 60
        while keeper in processes("nexus keeper"):
            self.assertLess(time.monotonic(), until, "the keeper is still there")
            time.sleep(0.01)

    def test_a_process_worker_has_a_keeper_too(self):
        with open(f"{self.folder}/worker.c", "w") as f:
            f.write(WORKER)
        run = subprocess.run([NEXUS, "run", "--no-prompt", "--allow-write=.", "worker.c"], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "in, Operation not permitted\n", ""))
        self.assertEqual(os.stat(f"{self.folder}/one").st_mode & 0o777, 0o640)

    def test_sockets(self):
        none = self.run_it()
        self.assertEqual((none["tcp"], none["udp"], none["unix"]), ("EPERM", "EPERM", "EPERM"))
        port = self.run_it("--allow-connect=:443")
        self.assertEqual((port["tcp"], port["udp"], port["unix"]), ("in", "EPERM", "EPERM"))
        listens = self.run_it("--allow-listen=127.0.0.1:3000")
        self.assertEqual((listens["tcp"], listens["udp"], listens["unix"]), ("EPERM", "EPERM", "EPERM"))
        all_of_it = self.run_it("--allow-net")
        self.assertEqual((all_of_it["tcp"], all_of_it["udp"], all_of_it["unix"]), ("in", "in", "in"))

    def test_what_is_denied_as_a_whole(self):
        for strict in (False, True):
            found = self.run_it("--allow-read", "--deny-read", "--allow-write", "--deny-write", "--allow-net", "--deny-net", strict=strict)
            self.assertEqual([found[name] for name in ("file", "into", "mode", "watch", "tcp", "udp", "unix")],
                             ["EACCES", "EACCES"] + 5 * ["EPERM"])

    def test_a_server_listens_by_its_launcher(self):
        port = free_port()
        with subprocess.Popen([NEXUS, "run", "--no-prompt", "--permissions=strict", f"--allow-listen=127.0.0.1:{port}", "server.c", "--", str(port)],
                              cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
            try:
                until = time.monotonic() + 60
                while True:
                    try:
                        with socket.create_connection(("127.0.0.1", port), 30) as s:
                            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                            answer = b"".join(iter(lambda: s.recv(4096), b""))
                        break
                    except ConnectionRefusedError:
                        self.assertLess(time.monotonic(), until, "it does not listen")
                        self.assertIsNone(server.poll(), server.poll() is not None and server.stderr.read())
                        time.sleep(0.01)
            finally:
                server.terminate()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello"), answer)

    def test_connecting_to_an_address(self):
        with open(f"{self.folder}/connect.c", "w") as f:
            f.write(CONNECT)
        with socket.create_server(("127.0.0.1", 0), backlog=64) as one, socket.socket() as other:
            port = one.getsockname()[1]
            other.bind(("127.0.0.2", port))
            other.listen()
            run = subprocess.run([NEXUS, "run", "--no-prompt", "--permissions=strict", f"--allow-connect=127.0.0.1:{port}", "connect.c", "--", str(port)],
                                 cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(run.stdout.splitlines(), [
            "waiting 127.0.0.1: in", "waiting 127.0.0.2: EPERM", "waiting 127.0.0.1: EPERM",
            "later 127.0.0.1: in", "later 127.0.0.2: EPERM", "later 127.0.0.1: EPERM",
            "waiting 127.0.0.1: in", "away: EPERM", "number: EPERM", "memory: EFAULT"])

    @unittest.skipUnless(may_all(), "takes root in no container, for names of its own in /etc/hosts")
    def test_connecting_to_names(self):
        """The keeper looks them up, and the program gets to what they have led to, at the ports that are granted: nowhere else, whatever it
        knows of addresses, and whoever owns the name."""
        def hosts(**names):
            with open(f"{self.folder}/hosts", "w") as f:
                f.write("".join(f"{address} {name.replace('_', '.')}\n" for name, address in names.items()))

        with open(f"{self.folder}/names.c", "w") as f:
            f.write(NAMES)
        hosts(api_example_test="127.0.0.2", a_b_wild_test="127.0.0.3", wild_test="127.0.0.4", other_test="127.0.0.5", inner_test="127.0.0.9")
        with socket.create_server(("0.0.0.0", 0), backlog=64) as one, socket.create_server(("0.0.0.0", 0), backlog=64) as two:
            port, other = one.getsockname()[1], two.getsockname()[1]
            command = ["unshare", "-m", "sh", "-c", 'mount --bind hosts /etc/hosts && exec "$@"', "sh", NEXUS, "run", "--no-prompt", "--watchdog=0", "--permissions=strict",
                       f"--allow-connect=api.example.test:{port},*.wild.test:{port},inner.test", "--deny-connect=127.0.0.9", "names.c", "--", str(port), str(other)]
            with subprocess.Popen(command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
                first = [run.stdout.readline().strip() for _ in range(13)]
                hosts(api_example_test="127.0.0.6")  # as somebody would whose the name is, for an address that he could not reach himself
                rest, said = run.communicate("\n", timeout=120)
        self.assertEqual(said, "")
        self.assertEqual(first + rest.splitlines(), [
            "raw 127.0.0.2: EPERM", "name api.example.test: in", "raw 127.0.0.2: in", "other port 127.0.0.2: EPERM",
            "name a.b.wild.test: in", "raw 127.0.0.3: in", "name wild.test: NX_EPERM", "name other.test: NX_EPERM", "name inner.test: NX_EPERM",
            "raw 127.0.0.9: EPERM", "asked other.test: EPERM", "asked api.example.test: in",
            'cannot find the TXT records of "api.example.test": with --permissions=strict only addresses of names are looked up, from the system\'s servers, '
            "unless all of the network is granted (--allow-net)",
            "raw 127.0.0.6: EPERM", "name api.example.test: in", "raw 127.0.0.6: in"])

    def covered(self, *before, mode=("--permissions=strict",), **more):
        """What a program gets at, of files that are denied inside what is allowed."""
        os.makedirs(f"{self.folder}/private/in")
        os.makedirs(f"{self.folder}/kept")
        for name in ("private/in/a", "private/a", "secret", "kept/a", "a"):
            with open(f"{self.folder}/{name}", "w") as f:
                f.write(name)
        os.symlink("private/a", f"{self.folder}/link")
        for path, folders, files in os.walk(self.folder):
            for name in (path, *(os.path.join(path, f) for f in files)):
                os.chown(name, more.get("user", os.geteuid()), -1, follow_symlinks=False)
        with open(f"{self.folder}/covered.c", "w") as f:
            f.write(COVERED)
        os.chmod(self.folder, 0o755)
        run = subprocess.run([*before, NEXUS, "run", "--no-prompt", "--watchdog=0", *mode, "--allow-read=.", "--allow-write=.", "--deny-read=private,secret", "--deny-write=kept",
                              "covered.c", "--", self.folder], cwd=self.folder, stdin=os.open(f"{self.folder}/private", os.O_RDONLY), capture_output=True, text=True,
                             timeout=120, check=False, env={**os.environ, "HOME": self.folder, "NEXUS_CACHE": f"{self.folder}/cache"})
        return run

    WANTED = ["a: in", "private/a: ENOENT", "private/in/a: ENOENT", "secret: EACCES", "link: ENOENT", "by root: ENOENT", "by handle: ENOENT", "by input: ENOENT",
              "by working folder: ENOENT", "in it: 0", "kept/a: in", "kept/a written: EROFS", "kept/new: EROFS", "kept moved: EBUSY", "kept mode: EPERM",
              "private mode: EROFS", "a mode: in", "uncovered: EPERM", "left: EPERM"]

    @unittest.skipUnless(may_all(), "takes root in no container, to mount")
    def test_what_is_denied_inside_what_is_allowed(self):
        for mode in ("--permissions=strict",), ():
            with self.subTest(mode):
                run = self.covered(mode=mode)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertEqual(run.stdout.splitlines(), self.WANTED)
                for name in ("private", "kept"):
                    shutil.rmtree(f"{self.folder}/{name}")
                os.unlink(f"{self.folder}/link")
        with open(f"{self.folder}/secret") as f:
            self.assertEqual(f.read(), "secret")

    @unittest.skipUnless(may_all() and shutil.which("setpriv"), "takes root and setpriv, to be another user")
    def test_the_same_for_other_users(self):
        """In a namespace of users of its own, where the system lets them make one."""
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if subprocess.run([*other, "unshare", "-Um", "true"], capture_output=True, check=False).returncode:
            self.skipTest("users may make no namespaces here")
        run = self.covered(*other, user=65534)
        if "Permission denied" in run.stderr and not run.stdout:
            self.skipTest(f"another user can't run {NEXUS}")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(run.stdout.splitlines(), self.WANTED)

    def test_what_is_given_up_the_keeper_knows(self):
        with open(f"{self.folder}/revoke.c", "w") as f:
            f.write(REVOKE)
        with socket.create_server(("127.0.0.1", 0), backlog=64) as one:
            port = one.getsockname()[1]
            for mode in ([], ["--permissions=strict"]):
                run = subprocess.run([NEXUS, "run", "--no-prompt", "--watchdog=0", *mode, "--allow-write=one,other", "--allow-read=.", f"--allow-connect=127.0.0.1:{port}", "revoke.c", "--",
                                      str(port)], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertEqual(run.stdout.splitlines(), ["0 0", "-1 0", "-1 -1", "connect 0", f"connect {-1 if mode else 0}"])

    def test_a_process_has_one_keeper(self):
        """Whatever it asks its launcher for."""
        with open(f"{self.folder}/more.c", "w") as f:
            f.write(MORE)
        for flags, most in ((["--allow-write=one"], 1), ([], 0)):
            with subprocess.Popen([NEXUS, "run", "--no-prompt", *flags, "more.c"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
                self.assertEqual(run.stdout.readline(), "sent 50\n")
                # It is answered in turn: what was sent before has been looked at.
                self.assertEqual(run.stdout.readline(), "NX_ENOENT\n")
                until = time.monotonic() + 60
                while len(found := processes("nexus keeper", of=run.pid)) > most:  # one that has got no listener ends
                    self.assertLess(time.monotonic(), until, found)
                    time.sleep(0.01)
                self.assertEqual(len(found), most)
                run.communicate("x", timeout=60)

    @unittest.skipUnless(os.uname().machine == "x86_64", "a number of x86_64")
    def test_where_nobody_can_be_asked(self):
        """A service manager's filter that refuses seccomp(2): what the keeper does is left to the API, but not strictly."""
        def run(*flags):
            return subprocess.run([NEXUS, "run", "--no-prompt", *flags, "--allow-write=one", "--allow-read=.", "try.c", "--", "one", "other"], cwd=self.folder,
                                  preexec_fn=refuse_call(317, errno.EPERM), capture_output=True, text=True, timeout=120, check=False)
        loose, strict = run(), run("--permissions=strict")
        self.assertEqual((loose.returncode, loose.stderr), (0, ""))
        self.assertIn("mode: in\ntcp", loose.stdout.replace("watch: in\n", ""))
        self.assertIn("tcp: EPERM", loose.stdout)
        self.assertEqual((strict.returncode != 0, strict.stdout), (True, ""))
        self.assertIn("cannot hold the program as --permissions=strict has it (seccomp): Operation not permitted", strict.stderr)

    def test_what_it_refuses_to_run(self):
        for flags, said in (
                (["--allow-all"], "--allow-all: what a program starts"),
                (["--allow-run=ls"], "--allow-run: what a program starts"),
                (["--allow-read=missing"], "--allow-read=.*/missing: it is not there"),
                (["--allow-read=.", "--deny-read=one/x"], "--deny-read=.*/one/x: the kernel denies nothing inside"),
                (["--allow-connect=unix:/run/db"], "connecting to unix:/run/db: the kernel tells no Unix socket from another")):
            result = subprocess.run([NEXUS, "run", "--permissions=strict", *flags, "try.c", "--", "one", "other"],
                                    cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual((result.returncode != 0, result.stdout), (True, ""))
            self.assertRegex(result.stderr, f"^nexus: not held by the kernel: {said}")
            self.assertIn('cannot run "try.c" with --permissions=strict', result.stderr.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
