"""docs/tutorial.md, as its reader goes through it: each file is written, each command run in its order, and what the page shows
is compared with what comes ("…" stands for anything). Ports are changed to free ones, and /opt, /etc and the like lie in a folder.

Two things can't run here and are done by hand, by what the page says: systemd (the unit is checked by systemd-analyze, and its
command run as another user, with its system call filter and a read-only system) and Docker (the files are copied as the
Dockerfile says, and the program is the first process in a root that has nothing else)."""
import ctypes
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from chat_test import CHROMIUM, Chromium, Tab
from support import HERE, NEXUS, free_port

ROOT = os.path.abspath(os.path.join(HERE, "../.."))
PAGE = os.path.join(ROOT, "docs/tutorial.md")
NOBODY = 65534
SERVERS = ("nexus run", "nexus dev", "./")
LIBC = ctypes.CDLL(None, use_errno=True)


# ---- The page

def steps(text):
    """("file", name, contents, the words before it), ("commands", [(command, output)]) and ("text", lines), in their order."""
    lines, at, words = text.splitlines(), 0, []
    while at < len(lines):
        line = lines[at]
        if line.startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i] == "```")
            before = " ".join(words)
            names = re.findall(r"`(/?[\w./-]*\.\w+|/[\w./-]+|Dockerfile)`", before)
            yield "file", names[0], "\n".join(lines[at + 1:end]) + "\n", before
            at, words = end + 1, []
        elif line.startswith("    "):
            block = []
            while at < len(lines) and (lines[at].startswith("    ") or
                                       not lines[at] and at + 1 < len(lines) and lines[at + 1].startswith("    ")):
                block.append(lines[at][4:])
                at += 1
            if not block[0].startswith("$ "):
                yield "text", block
                continue
            commands = []
            for line in block:
                if line.startswith("$ "):
                    commands.append((line[2:], []))
                else:
                    commands[-1][1].append(line)
            yield "commands", [(command, "\n".join(output).strip()) for command, output in commands]
        else:
            words = words + [line] if line else words if lines[at + 1:at + 2] and lines[at + 1].startswith("```") else []
            at += 1


def pattern(shown):
    """A line of nothing but "…" is any number of lines, in a line it is any text."""
    out = ""
    for line in shown.splitlines():
        out += r"(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n"
    return out


# ---- What systemd would do

def syscalls_of(names):
    """The numbers of system calls, and of groups as systemd knows them."""
    with open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h") as f:
        numbers = {name: int(n) for name, n in re.findall(r"#define __NR_(\w+) (\d+)", f.read())}
    found = set()
    for name in names:
        if name.startswith("@"):
            text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name], capture_output=True, text=True,
                                  check=True).stdout
            found |= syscalls_of([w for w in text.split("\n", 1)[1].split() if re.fullmatch(r"@?[\w-]+", w)])
        elif name in numbers:
            found.add(numbers[name])
    return found


def bpf_of(allowed):
    ALLOW, EPERM = 0x7FFF0000, 0x00050001
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, 0xC000003E), (0x06, 0, 0, EPERM), (0x20, 0, 0, 0)]
    for number in sorted(allowed):
        code += [(0x15, 0, 1, number), (0x06, 0, 0, ALLOW)]
    code.append((0x06, 0, 0, EPERM))
    return b"".join(struct.pack("HBBI", *c) for c in code), len(code)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    check(LIBC.prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS


def confine(writable, filter_):
    """ProtectSystem=strict, PrivateTmp=, DynamicUser=, NoNewPrivileges= and SystemCallFilter=, in the child before exec."""
    MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
    check(LIBC.unshare(0x00020000))  # CLONE_NEWNS
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    for path in writable:
        check(LIBC.mount(path.encode(), path.encode(), None, MS_BIND, None))
    check(LIBC.mount(b"none", b"/", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None))
    check(LIBC.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, b"mode=1777"))
    os.umask(0o077)
    become_nobody()
    if filter_:
        code, count = filter_
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HxxxxxxP", count, ctypes.addressof(buffer))
        check(LIBC.prctl(22, 2, program, 0, 0))  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


class Service:
    """A process whose output goes to a file."""

    def __init__(self, command, cwd, env, **more):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)

    def output(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def end(self, signo=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            return self.process.wait(60)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Tutorial(unittest.TestCase):
    def setUp(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="nexus-tutorial-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        self.prefix = os.path.join(self.root, "usr/local")
        self.cwd = os.path.join(self.root, "home")
        for folder in ("home", "opt", "etc/systemd/system", "etc/nginx/sites-available", "etc/nginx/sites-enabled"):
            os.makedirs(os.path.join(self.root, folder))
        self.ports = {"3000": str(free_port()), "8080": str(free_port())}
        self.env = {**os.environ, "PATH": f"{self.prefix}/bin:{os.environ['PATH']}:/usr/sbin:/sbin", "NO_COLOR": "1",
                    "PKG_CONFIG_PATH": f"{self.prefix}/lib/pkgconfig", "NEXUS_CACHE": os.path.join(self.root, "cache")}
        self.server = self.service = None

    # ---- Files and commands

    def mapped(self, text):
        for shown, real in self.ports.items():
            text = re.sub(rf"\b{shown}\b", real, text)
        return re.sub(r"(?<![\w/.])/(opt/guestbook|etc/(?:nginx|systemd)|usr/local|var/(?:lib|cache)/guestbook)", rf"{self.root}/\1", text)

    def unmapped(self, text):
        for shown, real in self.ports.items():
            text = text.replace(real, shown)
        return text

    def write(self, name, contents, before):
        path = self.mapped(name) if name.startswith("/") else os.path.join(self.cwd, name)
        if before.endswith("become"):  # the lines down to a word, of the file that is there
            word = re.search(r"down to `(\w+)`", before)[1]
            with open(path) as f:
                old = f.read()
            contents += "\n" + old[old.index(word):]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(self.mapped(contents))

    def shell(self, command):
        run = subprocess.run(["bash", "-c", command], cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=200)
        self.assertEqual(run.returncode, 0, f"{command}\n{run.stdout}{run.stderr}")
        return (run.stdout if "curl" in command else run.stdout + run.stderr).replace("\r", "")

    def wait_listening(self, service, port):
        end = time.time() + 60
        while True:  # without a request, which would be in the log
            try:
                socket.create_connection(("127.0.0.1", int(port)), timeout=120).close()
                return
            except OSError:
                self.assertIsNone(service.process.poll(), service.output())
                self.assertLess(time.time(), end, service.output())
                time.sleep(0.02)

    def end_server(self):
        if self.server:
            self.assertIn(self.server.end(signal.SIGINT), (0, 130), self.server.output())
            self.server = None

    def serve(self, command):
        self.end_server()
        self.server = Service(["bash", "-c", "exec " + command], self.cwd, self.env)
        self.addCleanup(self.server.kill)
        self.wait_listening(self.server, self.ports["3000"])
        return self.server.output()

    def install(self):
        build = os.path.dirname(os.path.dirname(os.path.abspath(NEXUS)))
        if os.path.exists(os.path.join(build, "cmake_install.cmake")):
            subprocess.run(["cmake", "--install", build, "--prefix", self.prefix, "--strip"], check=True, stdout=subprocess.DEVNULL)
        else:
            shutil.copytree(build, self.prefix)
        return ""

    def run_command(self, command):
        if command == "make demo":
            return self.shell(f"make -n -C {shlex.quote(ROOT)} demo >/dev/null")  # it has a test of its own, in .ci/run
        if command == "sudo make install":
            return self.install()
        if command.startswith("cd "):
            self.cwd = os.path.join(self.cwd, command[3:])
            return ""
        if command.startswith("sudo systemctl "):
            return self.systemctl(command.split()[2:])
        if command == "sudo nginx -t":
            return self.nginx_check()
        if command.startswith(SERVERS):
            return self.serve(command)
        found = self.shell(self.mapped(command.removeprefix("sudo ")))
        if command.startswith("nexus init "):
            app = os.path.join(self.cwd, command.split()[-1], "app.c")
            with open(app) as f:
                text = self.mapped(f.read())
            with open(app, "w") as f:
                f.write(text)
        return found

    def compare(self, command, shown, found):
        end = time.time() + (30 if command.startswith(SERVERS) else 0)  # what a server says may come a little later
        while not re.fullmatch(pattern(shown), self.unmapped(found).strip() + "\n"):
            if time.time() < end:
                time.sleep(0.1)
                found = self.server.output()
                continue
            self.fail(f"$ {command}\n--- the page shows\n{shown}\n--- what came\n{self.unmapped(found)}")

    def browse(self):
        """Two windows: what is sent in one shows in the other, as text."""
        if not CHROMIUM:
            print("the page is not tried in a browser: no chromium, chromium-browser or google-chrome in PATH")
            return
        browser = Chromium()
        self.addCleanup(browser.close)
        url = f"http://localhost:{self.ports['3000']}/"
        ann, bob = Tab(browser, url), Tab(browser, url)
        for tab in ann, bob:
            tab.wait('document.querySelectorAll("li").length === 2')
        ann.run('for (const [name, value] of [["name", "Ann"], ["text", "<b>Hello</b>"]]) document.forms[0].elements[name].value = value; '
                'document.querySelector("button").click()')
        for tab in ann, bob:
            tab.wait('document.querySelector("li").textContent === "Ann: <b>Hello</b>" && document.querySelectorAll("li").length === 3')

    # ---- systemd and nginx

    def systemctl(self, words):
        unit = os.path.join(self.root, "etc/systemd/system/guestbook.service")
        if words == ["daemon-reload"]:
            if shutil.which("systemd-analyze"):
                run = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
                self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))
                score = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
                                       capture_output=True, text=True)
                self.assertEqual(score.returncode, 0, score.stdout)
            else:
                print("the unit is not checked: systemd-analyze is not installed")
        elif words == ["enable", "--now", "guestbook"]:
            self.end_server()
            self.start(unit)
        elif words == ["reload", "guestbook"]:
            with open(unit) as f:
                command = re.search(r"^ExecReload=(.*)$", f.read(), re.M)[1]
            self.shell(command.replace("$MAINPID", str(self.service.process.pid)))
            end = time.time() + 60
            while "restarted, " not in self.service.output():
                self.assertLess(time.time(), end, self.service.output())
                time.sleep(0.05)
        else:
            self.assertEqual(words, ["reload", "nginx"])
            self.start_nginx()
        return ""

    def start(self, unit):
        with open(unit) as f:
            settings = re.findall(r"^(\w+)=(.*)$", f.read(), re.M)
        of = dict(settings)
        self.assertEqual((of["DynamicUser"], of["ProtectSystem"], of["NoNewPrivileges"], of["PrivateTmp"]), ("yes", "strict", "yes", "yes"))
        folders = {f"{name}_DIRECTORY": os.path.join(self.root, f"var/{place}", of[f"{name.capitalize()}Directory"])
                   for name, place in (("STATE", "lib"), ("CACHE", "cache"))}
        for folder in folders.values():
            os.makedirs(folder)
            os.chmod(folder, 0o755)
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", **folders,
               **dict(pair.split("=", 1) for name, value in settings if name == "Environment" for pair in value.split())}
        more, filter_ = {}, None
        if os.geteuid() == 0:
            for folder in folders.values():
                os.chown(folder, NOBODY, NOBODY)
            names = [word for name, value in settings if name == "SystemCallFilter" for word in value.split()]
            if shutil.which("systemd-analyze") and os.uname().machine == "x86_64":
                filter_ = bpf_of(syscalls_of(names))
            else:
                print("the service runs without its system call filter: that takes systemd-analyze and x86_64")
            more["preexec_fn"] = lambda: confine(folders.values(), filter_)
        else:
            print("the service is not confined: that takes root")
        self.service = Service(shlex.split(of["ExecStart"]), of["WorkingDirectory"], env, **more)
        self.addCleanup(self.service.kill)
        self.wait_listening(self.service, self.ports["3000"])
        with open(f"/proc/{self.service.process.pid}/status") as f:
            status = dict(re.findall(r"^(\w+):\t(\S+)", f.read(), re.M))
        if os.geteuid() == 0:
            self.assertEqual((status["Uid"], status["NoNewPrivs"], status["CapEff"]), (str(NOBODY), "1", "0" * 16))
            self.assertEqual(status["Seccomp"], "2" if filter_ else "0")

    def nginx_conf(self):
        folder = os.path.join(self.root, "nginx")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "nginx.conf"), "w") as f:
            f.write(f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\nhttp {{ access_log off;\n" +
                    "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
                    f"include {self.root}/etc/nginx/sites-enabled/*; }}\n")
        return ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]

    def nginx_check(self):
        run = subprocess.run([*self.nginx_conf(), "-t"], env=self.env, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("warn", run.stderr)
        return ""

    def start_nginx(self):
        self.nginx = Service(self.nginx_conf(), "/", self.env)
        self.addCleanup(self.nginx.kill)
        self.wait_listening(self.nginx, self.ports["8080"])

    # ---- The container

    def container(self):
        with open(os.path.join(self.cwd, "Dockerfile")) as f:
            text = f.read()
        build, image = text.split("\nFROM scratch\n")
        source, inside = os.path.join(self.root, "src"), os.path.join(self.root, "image")
        shutil.copytree(self.cwd, source)
        os.remove(os.path.join(source, "guestbook"))
        for command in re.findall(r"^RUN (.*)$", build, re.M):
            if not command.startswith("apt-get"):
                self.shell(f"cd {source} && {command}")
        env, workdir, entry = {}, "", None
        for word, rest in re.findall(r"^([A-Z]+) (.*)$", image, re.M):
            if word == "WORKDIR":
                workdir = rest
                os.makedirs(inside + workdir)
            elif word == "COPY":
                origin, target = rest.removeprefix("--from=build ").split()
                origin = os.path.join(self.root, origin.lstrip("/") if "--from" in rest else os.path.join(self.cwd, origin))
                target = os.path.normpath(os.path.join(inside + workdir, target))
                (shutil.copytree if os.path.isdir(origin) else shutil.copy)(origin, target)
            elif word == "ENV":
                env = dict(pair.split("=", 1) for pair in rest.split())
            elif word == "VOLUME":
                os.makedirs(inside + rest)
                os.chown(inside + rest, NOBODY, NOBODY)
            elif word == "ENTRYPOINT":
                entry = rest.strip('[]"')
        files = sorted(os.path.relpath(os.path.join(folder, name), inside) for folder, _, names in os.walk(inside) for name in names)
        self.assertEqual(files, ["app/guestbook", "app/public/index.html", "app/public/page.js"])

        # The child that unshare makes is the first process of its namespace, as in a container.
        service = Service(["unshare", "--pid", "--fork", "--kill-child", "--root", inside, "--wd", workdir,
                           "--setgid", str(NOBODY), "--setuid", str(NOBODY), entry], "/", {**env, "PATH": self.env["PATH"]})
        self.addCleanup(service.kill)
        self.wait_listening(service, self.ports["3000"])
        answer = self.shell(f"curl -s localhost:{self.ports['3000']}/api/messages -H 'content-type: application/json' "
                            "-d '{\"name\":\"Di\",\"text\":\"From a box\"}'")
        self.assertEqual(answer, '{"id":1,"name":"Di","text":"From a box"}')
        with open(f"/proc/{service.process.pid}/task/{service.process.pid}/children") as f:
            os.kill(int(f.read()), signal.SIGTERM)
        self.assertEqual(service.process.wait(60), 0, service.output())
        self.assertTrue(os.path.exists(inside + "/data/messages.json"))

    # ---- All of it

    def test_the_page(self):
        with open(PAGE) as f:
            page = f.read()
        docker = []
        for step in steps(page):
            if step[0] == "file":
                self.write(*step[1:])
            elif step[0] == "commands":
                for command, shown in step[1]:
                    if re.search("nginx|8080", command) and not shutil.which("nginx", path=self.env["PATH"]):
                        print(f"left out, since nginx is not installed: {command}")
                        continue
                    found = self.run_command(self.mapped(command) if command.startswith(SERVERS) else command)
                    if shown:
                        self.compare(command, shown, found)
                    if command == "curl localhost:3000/healthz" and not self.service:
                        self.browse()
            elif step[1][0].startswith("docker "):
                docker = step[1]
            else:  # what the server has said
                for line in step[1]:
                    self.assertRegex(self.unmapped(self.server.output()), "(?m)^" + pattern(line))
        self.end_server()
        for compiler in filter(shutil.which, ("gcc", "clang")):
            self.shell(f"{compiler} -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I{self.prefix}/include *.c")
        self.assertEqual(self.service.end(), 0, self.service.output())
        self.assertIn('"peer":"127.0.0.1"', self.service.output())
        self.assertEqual(len(docker), 2)
        if os.geteuid() == 0:
            self.container()
        else:
            print("the Dockerfile is not tried: that takes root")


if __name__ == "__main__":
    unittest.main()
