#!/usr/bin/env python3
"""doctor, completions, compile_commands.json, templates: NEXUS=path/to/nexus python3 tests/e2e/tools_test.py [-k name]."""
import ctypes
import http.client
import json
import os
import pty
import re
import resource
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from support import free_port, need

HERE = os.path.dirname(os.path.abspath(__file__))
NEXUS = os.path.abspath(os.environ.get("NEXUS", "build/bin/nexus"))
SLOW = 10 if os.environ.get("NEXUS_SLOW") else 1
COMPILERS = [c for c in ("tcc", "gcc", "clang") if shutil.which(c)]
CLANGD = next((c for c in ("clangd", "clangd-19", "clangd-16", "clangd-15", "clangd-14") if shutil.which(c)), None)
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="nexus-tools-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = {**os.environ, "NEXUS_CACHE": os.path.join(self.dir, ".cache"), "PATH": os.path.dirname(NEXUS) + ":" + os.environ["PATH"]}
        self.env.pop("CC", None)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def run_in(self, folder, *command, env=None, **options):
        return subprocess.run(command, cwd=self.path(folder), env={**self.env, **(env or {})}, capture_output=True, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, timeout=120 * SLOW, **options)

    def nexus(self, *args, folder=".", **options):
        return self.run_in(folder, NEXUS, *args, **options)

    def good(self, *args, code=0, **options):
        result = self.nexus(*args, **options)
        self.assertEqual(result.returncode, code, (args, result.stdout, result.stderr))
        return result


# ---- nexus doctor

def refuse_call(number, error):
    """A seccomp filter, as a container's: the call fails with the error. For preexec_fn."""
    def apply():
        code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error), (0x06, 0, 0, 0x7FFF0000)]
        instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(instructions)))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
    return apply


class Doctor(Base):
    def findings(self, code=0, **options):
        result = self.good("doctor", "--json", code=code, **options)
        report = json.loads(result.stdout)
        self.assertEqual(report["problems"], sum(f["health"] == "problem" for f in report["findings"]))
        self.assertEqual(report["notes"], sum(f["health"] == "note" for f in report["findings"]))
        for f in report["findings"]:
            self.assertEqual(sorted(f), ["fix", "group", "health", "name", "what", "why"])
            self.assertIn(f["health"], ("ok", "note", "problem"))
            self.assertTrue(f["what"] and f["why"], f)
        self.assertEqual(result.stderr, "")
        return {f"{f['group']}/{f['name']}": f for f in report["findings"]}

    def test_says_all_there_is(self):
        text = self.good("doctor").stdout
        found = self.findings()
        for name in ("nexus/version", "cache/folder", "cache/disk", "kernel/io_uring", "kernel/epoll_pwait2", "kernel/Landlock",
                     "kernel/MADV_GUARD_INSTALL", "kernel/seccomp", "kernel/grants", "kernel/user namespaces", "kernel/openat2", "kernel/memfd_create",
                     "kernel/pidfd_open", "kernel/close_range", "kernel/clock", "limits/open files", "limits/fibers",
                     "limits/vm.max_map_count", "limits/memory", "limits/processors", "terminal/questions"):
            self.assertIn(name, found)
            self.assertIn(name.split("/")[1], text)
        for name in COMPILERS:
            self.assertRegex(found["compilers/" + name]["what"], r"compiles and loads a program in [\d.]+ ms")
        self.assertRegex(text, r"0 problems, \d+ notes?\n$")
        # The probes have left nothing in the cache.
        self.assertIn("0 compiled programs", self.good("cache").stdout)
        self.assertEqual([f for f in os.listdir(tempfile.gettempdir()) if f.startswith("nexus-doctor")], [])

    def test_usage(self):
        self.assertIn("did you mean --json?", self.good("doctor", "--jsno", code=2).stderr)

    @unittest.skipUnless("tcc" in COMPILERS, "tcc is not installed")
    def test_what_tcc_lacks(self):
        self.assertIn("_Atomic", self.findings()["compilers/what tcc lacks"]["what"])

    def test_compilers_that_are_not_there(self):
        empty = self.path("empty")
        os.mkdir(empty)
        found = self.findings(code=1, env={"PATH": empty})
        self.assertEqual(found["compilers/compiler"]["health"], "problem")
        if os.path.exists("/usr/bin/apt-get"):
            self.assertIn("apt-get install -y tcc gcc libc6-dev", found["compilers/compiler"]["fix"])
        found = self.findings(code=1, env={"CC": "nothing"})
        self.assertEqual(found["compilers/$CC"]["fix"], "unset CC")

    @unittest.skipUnless("gcc" in COMPILERS, "gcc is not installed")
    def test_a_compiler_that_fails(self):
        self.write("bin/gcc", "#!/bin/sh\necho 'x.c:1: error: stdio.h is on holiday' >&2\nexit 1\n")
        os.chmod(self.path("bin/gcc"), 0o755)
        found = self.findings(code=1, env={"PATH": self.path("bin")})
        self.assertEqual(found["compilers/gcc"]["health"], "problem")
        self.assertIn("stdio.h is on holiday", found["compilers/gcc"]["what"])
        self.assertEqual(found["compilers/tcc"]["health"], "note")

    def test_a_chosen_compiler_is_the_one_that_run_takes(self):
        found = self.findings(env={"CC": COMPILERS[-1]})
        self.assertIn("nexus run takes it", found["compilers/" + COMPILERS[-1]]["why"])

    def test_cache_that_can_not_be(self):
        self.write("file", "")
        found = self.findings(code=1, env={"NEXUS_CACHE": self.path("file/cache")})
        self.assertEqual(found["cache/folder"]["health"], "problem")
        self.assertIn("NEXUS_CACHE", found["cache/folder"]["fix"])

    def test_few_files(self):
        few = self.findings(code=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
        self.assertEqual(few["limits/open files"]["health"], "problem")
        self.assertIn("nofile" if os.getuid() else "ulimit -n", few["limits/open files"]["fix"])

    def test_little_address_space(self):
        if os.environ.get("NEXUS_SLOW"):
            self.skipTest("a sanitizer takes more than there is")
        limit = 3 << 30
        found = self.findings(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertEqual(found["limits/fibers"]["health"], "note")
        self.assertEqual(found["limits/fibers"]["fix"], "ulimit -v unlimited")

    @unittest.skipUnless(os.uname().machine == "x86_64", "numbers of x86_64")
    def test_calls_that_a_container_refuses(self):
        uring = self.findings(preexec_fn=refuse_call(425, 1))["kernel/io_uring"]
        self.assertEqual(uring["health"], "note")
        self.assertRegex(uring["what"], "seccomp filter|io_uring_disabled")
        for number, name in ((441, "epoll_pwait2"), (437, "openat2"), (434, "pidfd_open"), (436, "close_range")):
            finding = self.findings(preexec_fn=refuse_call(number, 1))["kernel/" + name]
            self.assertEqual(finding["health"], "note", finding)
            self.assertIn("seccomp", finding["what"])
        without = self.findings(preexec_fn=refuse_call(444, 38))
        self.assertIn("unsealed", without["kernel/Landlock"]["what"])
        self.assertEqual(without["kernel/grants"]["what"], "held by the API alone: files, programs, TCP ports, signals to other processes")


# ---- nexus completions

class Completions(Base):
    def offers(self, *words):
        out = self.good("completions", "bash", "--", *words).stdout.splitlines()
        return [line.split("\t")[0] for line in out if not line.startswith(":")]

    def test_scripts(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("completions " + shell + " --", self.good("completions", shell).stdout)
        self.assertIn("bash, zsh or fish", self.good("completions", code=2).stderr)
        self.assertIn("did you mean zsh?", self.good("completions", "zhs", code=2).stderr)
        self.good("completions", "bash", "again", code=2)

    def test_commands(self):
        offered = self.offers("")
        for command in offered:
            self.assertIn(f"\n  {command}", self.good("help").stdout)
        self.assertEqual(set(offered), set(self.offers("help", "")))
        self.assertEqual(self.offers("do"), ["doctor"])
        self.assertEqual(self.offers("nothing.c", "--wat"), ["--watch", "--watchdog="])

    def test_every_flag_is_taken_and_told_of(self):
        for command in ("run", "test", "init", "doctor", "version"):
            flags = self.offers(command, "--")
            self.assertIn("--help", flags)
            told = self.good(command, "--help").stdout
            for flag in flags:
                if flag.startswith("--deny-") or flag == "--help" or (command == "test" and flag.startswith("--allow-")):
                    continue
                self.assertIn(flag.rstrip("="), told)
                value = {"--log-level=": "info"}.get(flag, "1") if flag.endswith("=") else ""
                self.assertNotIn("unknown flag " + flag.rstrip("="), self.nexus(command, flag + value, "--zzz").stderr)

    def test_values(self):
        self.assertEqual(self.offers("run", "--compiler=c"), ["--compiler=clang"])
        templates = ("http", "api", "cli", "lib", "wasm-c", "wasm-go", "wasm-js", "wasm-python")
        self.assertEqual(self.offers("init", "--template="), [f"--template={t}" for t in templates])
        self.assertEqual(self.offers("cache", "p"), ["prune"])
        self.assertEqual(self.offers("completions", ""), ["bash", "zsh", "fish"])
        self.assertIn("--allow-env=HOME,PATH", self.offers("run", "--allow-env=HOME,PAT"))
        self.assertEqual(self.offers("run", "--release", "--rel"), [])  # once is enough
        self.assertEqual(self.offers("run", "a.c", "--", "--wat"), [])  # the program's own
        for words in (["x" * 5000], ["run", "--allow-read=" + "x" * 5000], ["run", "--="], ["--", ""], ["cache", "a", ""]):
            self.good("completions", "fish", "--", *words)

    def files(self):
        self.write("work/app.c", "")
        self.write("work/notes.txt", "")
        self.write("work/sub/two words.c", "")

    # A line on the command line, and what is offered for it.
    CASES = [
        ("nexus ru", {"run"}),
        ("nexus run --compiler=g", {"gcc"}),
        ("nexus run a", {"app.c"}),
        ("nexus run n", set()),
        ("nexus run app.c --max-f", {"--max-fibers="}),
        ("nexus run --allow-read=no", {"notes.txt"}),
        ("nexus run --allow-read=app.c,no", {"app.c,notes.txt"}),
        ("nexus init --template=l", {"lib"}),
        ("nexus cache cl", {"clear"}),
    ]

    @need("bash")
    def test_bash(self):
        self.files()
        script = """eval "$(nexus completions bash)"
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_WORDBREAKS=$' \\t\\n"><=;|&(:'
    _nexus nexus
    printf '%s\\n' "${COMPREPLY[*]}"
done"""
        lines = "".join(line + "\n" for line, _ in self.CASES)
        result = subprocess.run(["bash", "-c", script], cwd=self.path("work"), env=self.env, input=lines, capture_output=True, text=True,
                                timeout=60 * SLOW)
        self.assertEqual(result.stderr, "")
        for (line, wanted), got in zip(self.CASES, result.stdout.split("\n")):
            self.assertEqual(set(got.split()), wanted, line)

    @need("fish")
    def test_fish(self):
        self.files()
        for line, wanted in self.CASES:
            script = f"nexus completions fish | source; complete -C '{line}'"
            result = self.run_in("work", "fish", "--no-config", "-c", script, env={"HOME": self.dir})
            # Whole words, with what they mean behind a tab.
            word = line.split()[-1]
            head = word[:word.index("=") + 1] if "=" in word else ""
            got = {w.split("\t")[0].removeprefix(head) for w in result.stdout.splitlines()}
            self.assertEqual(got, wanted, (line, result.stderr))

    @need("zsh")
    def test_zsh(self):
        self.files()
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path("work"))
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**self.env, "TERM": "dumb", "HOME": self.dir})

        def until(mark, seconds=60 * SLOW):
            seen, end = "", time.time() + seconds
            while mark not in seen and time.time() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    seen += os.read(terminal, 65536).decode(errors="replace")
            return seen

        try:
            # What is completed is written to a file instead of being run.
            os.write(terminal, b"autoload -Uz compinit && compinit -D -u; source <(nexus completions zsh)\n"
                               b"note() { print -r -- \"$BUFFER\" >>out; BUFFER=; zle -I; print done:$((++n)) }; zle -N note; bindkey '^O' note\n"
                               b"print rea''dy\n")
            self.assertIn("ready", until("ready\r"))
            for i, (line, _) in enumerate(self.CASES):
                os.write(terminal, line.encode() + b"\t\x0f")
                until(f"done:{i + 1}")
        finally:
            os.write(terminal, b"\x03exit\n")
            time.sleep(0.2)
            os.close(terminal)
            os.waitpid(pid, 0)
        got = self.read("work/out").splitlines()
        self.assertEqual(len(got), len(self.CASES))
        for (line, wanted), whole in zip(self.CASES, got):
            typed = line.split()[-1]
            head = typed[:typed.index("=") + 1] if "=" in typed else ""
            # Where nothing fits, zsh offers other files.
            self.assertIn(whole.split()[-1].removeprefix(head), wanted or {typed, "notes.txt"}, line)


# ---- compile_commands.json

class CompileCommands(Base):
    APP = '#include "./part.h"\n#include <nexus.h>\nint main(void) { return part() == 1 && nx_version() ? 0 : 1; }\n'

    def project(self, manifest=True):
        self.write("p/app.c", self.APP)
        self.write("p/part.h", "int part(void);\n")
        self.write("p/part.c", '#include "./part.h"\nint part(void) { return 1; }\n')
        if manifest:
            self.write("p/nexus.toml", '[package]\nname = "p"\nmain = "app.c"\n')

    def entries(self, folder="p"):
        with open(self.path(folder + "/compile_commands.json")) as f:
            return {os.path.relpath(e["file"], self.path(folder)): e for e in json.load(f)}

    def mark(self):
        st = os.stat(self.path("p/compile_commands.json"))
        return st.st_ino, st.st_mtime_ns

    def test_written_by_run_and_kept_true(self):
        self.project()
        self.good("run", "app.c", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "part.c"})
        entry = self.entries()["app.c"]
        self.assertEqual(entry["directory"], self.path("p"))
        arguments = entry["arguments"]
        headers = arguments[arguments.index("-I") + 1]
        self.assertEqual(headers, self.env["NEXUS_CACHE"] + "/h/current")
        self.assertTrue(os.path.exists(headers + "/nexus/http.h"))
        self.assertIn("-std=gnu17", arguments)
        # Run again, it stays as it is; a new source comes in, one that is gone goes.
        before = self.mark()
        self.good("run", "app.c", folder="p")
        self.assertEqual(self.mark(), before)
        self.write("p/more.c", "int main(void) { return 0; }\n")
        self.good("run", "more.c", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "part.c", "more.c"})
        os.unlink(self.path("p/more.c"))
        self.good("run", "app.c", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "part.c"})
        # What is gone comes back, although the program is in the cache.
        os.unlink(self.path("p/compile_commands.json"))
        self.good("run", "app.c", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "part.c"})
        self.good("cache", "clear")
        self.good("run", "app.c", folder="p")
        self.assertTrue(os.path.exists(headers + "/nexus/http.h"))
        self.assertEqual([f for f in os.listdir(self.path("p")) if f.startswith(".compile")], [])

    def test_imports_and_tests_and_mistakes(self):
        self.project()
        self.write("p/plugin.c", "int plugin(void) { return 7; }\n")
        self.write("p/app.c", '#include <nexus.h>\nint main(void) { nx_module *m; return nx_import(&m, "./plugin.c"); }\n')
        self.good("run", "app.c", folder="p")
        for _ in range(3000):  # the launcher writes when the program runs already
            if "plugin.c" in self.entries():
                break
            time.sleep(0.02)
        self.assertEqual(set(self.entries()), {"app.c", "plugin.c"})
        self.write("p/part_test.c", '#include "./part.h"\n#include <nexus/test.h>\nNX_TEST("p") { nx_expect_eq(part(), 1); }\n')
        self.good("test", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "plugin.c", "part.c", "part_test.c"})
        self.write("p/wrong.c", "int main(void) { return nothing; }\n")
        self.good("run", "wrong.c", folder="p", code=18)
        self.assertIn("wrong.c", self.entries())

    def test_only_in_a_project(self):
        self.project(manifest=False)
        self.good("run", "app.c", folder="p")
        self.assertFalse(os.path.exists(self.path("p/compile_commands.json")))
        self.write("p/compile_commands.json", "[]")
        self.good("run", "app.c", folder="p")
        self.assertEqual(set(self.entries()), {"app.c", "part.c"})

    def test_what_others_wrote_stays(self):
        self.project()
        theirs = '{"directory": "%s", "command": "cc -DX=\\"a]}\\" -c app.c", "file": "app.c"}' % self.path("p")
        gone = '{"directory": "/nowhere", "command": "cc -c gone.c", "file": "gone.c"}'
        self.write("p/compile_commands.json", "[" + theirs + "," + gone + "]")
        self.good("run", "app.c", folder="p")
        text = self.read("p/compile_commands.json")
        self.assertIn(theirs, text)
        self.assertIn(gone, text)
        self.assertEqual([e["file"] for e in json.loads(text)], ["app.c", "gone.c", self.path("p/part.c")])

    def test_links_and_rubbish_are_left_alone(self):
        self.project()
        self.write("p/build/compile_commands.json", "[]")
        os.symlink("build/compile_commands.json", self.path("p/compile_commands.json"))
        self.good("run", "app.c", folder="p")
        self.assertEqual(self.read("p/build/compile_commands.json"), "[]")
        os.unlink(self.path("p/compile_commands.json"))
        for rubbish in ("", "{", "[", "[{", "[]x", "nonsense", '[{"file": "app.c"', '[{"file": "app.c\\', "[1, 2]", "\0" * 100, "[" * 5000):
            self.write("p/compile_commands.json", rubbish)
            result = self.good("run", "app.c", folder="p")
            if rubbish:
                self.assertEqual(self.read("p/compile_commands.json"), rubbish)
                self.assertIn("remove it", result.stderr)

    def test_a_folder_that_can_not_be_written(self):
        self.project()
        if os.getuid() == 0:
            self.skipTest("root writes everywhere")
        os.chmod(self.path("p"), 0o555)
        self.addCleanup(os.chmod, self.path("p"), 0o755)
        self.assertEqual(self.good("run", "app.c", folder="p").stderr, "")

    def test_paths_with_all_kinds_of_bytes(self):
        for name in ('a "b"', "c\\d", "größe", "e\nf"):
            self.write(name + "/nexus.toml", "")
            self.write(name + "/app.c", "int main(void) { return 0; }\n")
            self.good("run", "app.c", folder=name)
            self.good("run", "app.c", folder=name, code=0)
            self.assertEqual(list(self.entries(name)), ["app.c"])


@unittest.skipUnless(CLANGD, "clangd is not installed")
class Clangd(Base):
    def test_check(self):
        for template in ("http", "api", "cli", "lib"):
            self.good("init", "--template=" + template, template)
            for root, _, files in os.walk(self.path(template)):
                for name in files:
                    if not name.endswith(".c"):
                        continue
                    result = self.run_in(template, CLANGD, "--check=" + os.path.join(root, name), "--log=info")
                    self.assertIn("All checks completed, 0 errors", result.stderr, result.stderr)
                    self.assertIn("compile_commands.json", result.stderr)
                    self.assertEqual(result.returncode, 0, result.stderr)

    def test_completes_names(self):
        self.good("init", "app")
        text = self.read("app/app.c").replace("    nx_err err", "    nx_http_ro\n    nx_err err")
        line = text.split("\n").index("    nx_http_ro")
        uri = "file://" + self.path("app/app.c")
        process = subprocess.Popen([CLANGD, "--log=error"], cwd=self.path("app"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)

        def send(method, params, number=None):
            body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **({"id": number} if number else {})}).encode()
            process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            process.stdin.flush()

        def answer(number):
            while True:
                length = 0
                while (head := process.stdout.readline()) not in (b"\r\n", b""):
                    if head.lower().startswith(b"content-length:"):
                        length = int(head.split(b":")[1])
                self.assertTrue(length, "clangd has ended")
                message = json.loads(process.stdout.read(length))
                if message.get("id") == number:
                    return message["result"]

        with process:
            send("initialize", {"processId": None, "rootUri": "file://" + self.path("app"), "capabilities": {}}, 1)
            answer(1)
            send("initialized", {})
            send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "c", "version": 1, "text": text}})
            send("textDocument/completion", {"textDocument": {"uri": uri}, "position": {"line": line, "character": 14}}, 2)
            labels = [item["label"].strip() for item in answer(2)["items"]]
            send("shutdown", None, 3)
            answer(3)
            send("exit", None)
        self.assertTrue(any(label.startswith("nx_http_route") for label in labels), labels)


# ---- nexus init --template

class Templates(Base):
    def made(self, template, folder):
        self.good("init", "--template=" + template, folder)
        text = self.read(folder + "/nexus.toml")
        self.assertIn(f'name = "{folder}"', text)
        for root, _, files in os.walk(self.path(folder)):
            for name in files:
                with open(os.path.join(root, name)) as f:
                    self.assertNotRegex(f.read() + name, r"\{\{(name|ident|IDENT|main)\}\}")
        self.assertIn("/compile_commands.json\n", self.read(folder + "/.gitignore"))

    def test_names(self):
        wrong = self.good("init", "--template=htpp", code=2).stderr
        self.assertIn("did you mean http?", wrong)
        for name in ("http", "api", "cli", "lib"):
            self.assertRegex(wrong, rf"\n  {name} +\w")
        self.assertIn("there are:", self.good("init", "--template=rails", code=2).stderr)
        self.good("init", "--template", code=2)
        self.assertIn("did you mean --template?", self.good("init", "--templaet=http", code=2).stderr)
        self.assertEqual(os.listdir(self.dir), [])

    def test_overwrites_nothing(self):
        self.write("x/notes.c", "mine")
        self.assertIn("nothing is overwritten", self.good("init", "--template=api", "x", code=9).stderr)
        self.assertEqual(os.listdir(self.path("x")), ["notes.c"])

    def serve(self, folder, compiler):
        """The template's server, on a free port."""
        port = free_port()
        text = self.read(folder + "/app.c").replace("3000", str(port))
        self.write(f"{folder}/{compiler}.c", text)
        process = subprocess.Popen([NEXUS, "run", "--compiler=" + compiler, f"--allow-net=127.0.0.1:{port}", compiler + ".c"],
                                   cwd=self.path(folder), env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def ask(method, path, body=None, kind="application/json"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * SLOW)
            try:
                connection.request(method, path, body, {"content-type": kind} if body else {})
                response = connection.getresponse()
                return response.status, response.read().decode()
            finally:
                connection.close()

        end = time.time() + 60 * SLOW
        while True:
            try:
                ask("GET", "/")
                break
            except OSError:
                self.assertIsNone(process.poll(), process.poll() and process.stderr.read())
                self.assertLess(time.time(), end)
                time.sleep(0.02)

        def stop():
            process.terminate()
            self.assertEqual(process.wait(60 * SLOW), 0)
            process.stderr.close()
        return ask, stop

    def test_http(self):
        self.made("http", "web")
        for compiler in COMPILERS:
            ask, stop = self.serve("web", compiler)
            self.assertEqual(ask("GET", "/"), (200, '{"message":"Hello from Nexus!"}'))
            self.assertEqual(ask("GET", "/hello/Ada"), (200, '{"hello":"Ada"}'))
            stop()

    def test_api(self):
        self.made("api", "notes")
        for compiler in COMPILERS:
            self.assertIn("2 passed", self.good("test", "--compiler=" + compiler, folder="notes").stdout)
            ask, stop = self.serve("notes", compiler)
            self.assertEqual(ask("POST", "/notes", '{"title":"milk","text":"two"}'), (201, '{"id":1,"title":"milk","text":"two"}'))
            self.assertEqual(ask("PUT", "/notes/1", '{"title":"tea"}'), (200, '{"id":1,"title":"tea","text":""}'))
            self.assertEqual(ask("GET", "/notes"), (200, '[{"id":1,"title":"tea","text":""}]'))
            self.assertEqual(ask("POST", "/notes", '{"title":"%s"}' % ("x" * 81))[0], 400)
            self.assertEqual(ask("POST", "/notes", '{"title":"a\\u0000b"}')[0], 400)
            self.assertEqual(ask("POST", "/notes", "{")[0], 400)
            self.assertEqual(ask("POST", "/notes", '{"title":"x"}', "text/plain")[0], 415)
            self.assertEqual(ask("POST", "/notes", '{"title":"x","text":"%s"}' % ("x" * 70000))[0], 413)
            self.assertEqual(ask("DELETE", "/notes/1"), (204, ""))
            for path in ("/notes/1", "/notes/-1", "/notes/01", "/notes/99999999999999999999", "/notes/x"):
                self.assertEqual(ask("GET", path)[0], 404)
            stop()

    def test_cli(self):
        self.made("cli", "count")
        for compiler in COMPILERS:
            self.assertIn("3 passed", self.good("test", "--compiler=" + compiler, folder="count").stdout)
            run = ["run", "--compiler=" + compiler, "app.c", "--allow-read=."]
            self.write("count/three.txt", "one two\nthree\n")
            self.assertEqual(self.good(*run, "three.txt", folder="count").stdout.split(), ["2", "3", "14", "three.txt"])
            self.assertEqual(self.good(*run, "--", "-w", "three.txt", folder="count").stdout.split(), ["3", "three.txt"])
            self.assertIn("Usage: count ", self.good(*run, "--", "--help", folder="count").stdout)
            self.assertIn("count: there is no flag -x", self.good(*run, "--", "-x", folder="count", code=2).stderr)
            self.assertIn("name a file", self.good(*run, folder="count", code=2).stderr)
            self.assertIn("no such file", self.good(*run, "nothing.txt", folder="count", code=8).stderr)
            self.good("run", "--compiler=" + compiler, "app.c", "three.txt", folder="count", code=7)

    def test_lib(self):
        for folder in ("my-lib", "3d"):
            self.made("lib", folder)
            for compiler in COMPILERS:
                self.assertIn("2 passed", self.good("test", "--compiler=" + compiler, folder=folder).stdout)
                run = ["run", "--compiler=" + compiler, "examples/slug.c"]
                self.assertEqual(self.good(*run, "Hello, world!", folder=folder).stdout, "hello-world\n")
                self.assertIn("no letter", self.good(*run, "?!", folder=folder, code=4).stderr)
        # As its README says another program takes it.
        shutil.copytree(self.path("my-lib"), self.path("user/nexus_modules/my-lib"))
        self.write("user/app.c", "#include <my-lib/my-lib.h>\n#include <stdio.h>\nint main(void)\n{\n    const char *s;\n"
                                 "    nx_err err = my_lib_slug(nx_str(\"A b\"), &s);\n    if (!err) puts(s);\n    return err;\n}\n")
        self.assertEqual(self.good("run", "app.c", folder="user").stdout, "a-b\n")


class Docs(unittest.TestCase):
    def test_an_example_that_does_not_compile_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.md")
            for text, said in (("# Page\n\n```c\nint main(void)\n{\n    return nx_nothing();\n}\n```\n", r"page\.md:6:12: error"),
                               ("<!-- c: int n; -->\n```c\nn = 1;\nm = n;\n```\n", r"page\.md:4:1: error: .m. undeclared"),
                               ("```c\nNX_AUTO(nx_http_router) *r = 0;\n```\n", r"page\.md:2"), ("[x](none.md)\n", "none.md leads nowhere"),
                               ("```c\nreturn nx_response_send(res, \"x\");\n```\n```c\nstatic int f(void)\n{\n    return 1;\n}\n```\n", None)):
                with open(page, "w") as f:
                    f.write(text)
                r = subprocess.run([sys.executable, os.path.join(HERE, "../../scripts/check-docs"), page], capture_output=True, text=True)
                self.assertEqual(r.returncode, 1 if said else 0, r.stderr)
                if said:
                    self.assertRegex(r.stderr, said)


if __name__ == "__main__":
    unittest.main()
