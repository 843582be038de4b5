#!/usr/bin/env python3
"""Native libraries in a whole program: NEXUS=path/to/nexus python3 tests/e2e/ffi_test.py [-k name]."""
import os
import shutil
import subprocess
import unittest

from command import Base

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")

# Calls answer() of the library it is given, or what it is given.
APP = r"""
#include <nexus/module.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    nx_module *library = NULL;
    int (*answer)(void) = NULL;
    for (int i = 2; i < argc; i++) NX_TRY(nx_import(&library, argv[i]));
    NX_TRY(nx_symbol(library, argv[1], &answer));
    printf("%d\n", answer());
    return NX_OK;
}
"""


class Ffi(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", APP)

    def make(self, name, code, *flags, compiler="gcc"):
        """A library of that source."""
        self.write("library.c", code)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", name, "library.c", *flags], cwd=self.dir, check=True, timeout=60)

    def run_app(self, *args):
        return self.nexus("run", "app.c", "--allow-ffi", "--", *args)

    def refused(self, said, *args, code=4):
        result = self.run_app(*args)
        self.assertIn(said, result.stderr)
        self.assertEqual((result.returncode, result.stdout), (code, ""))

    def test_a_library(self):
        self.make("libanswer.so", "int answer(void) { return 42; }")
        for name in ("./libanswer.so", os.path.join(self.dir, "libanswer.so")):
            result = self.run_app("answer", name)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "42\n", ""))

    def test_denied(self):
        self.make("libanswer.so", "int answer(void) { return 42; }")
        result = self.nexus("run", "app.c", "answer", "./libanswer.so")
        self.assertEqual(result.returncode, 7)
        self.assertIn("run with --allow-ffi=", result.stderr)
        result = self.nexus("run", "app.c", "--allow-ffi", "--deny-ffi=./libanswer.so", "--", "answer", "./libanswer.so")
        self.assertEqual(result.returncode, 7)

    def test_missing(self):
        self.refused('cannot import "./libnone.so": there is no such file, seen from "app.c"', "answer", "./libnone.so", code=8)
        self.refused('cannot import "libnone.so.6": the system has no such library (a file\'s name begins with ./ or /)', "answer", "libnone.so.6", code=8)
        self.refused('cannot import "libc.so.77": the system has no such library; did you mean "libc.so', "answer", "libc.so.77", code=8)

    def test_a_symbol_that_is_not_there(self):
        self.make("libanswer.so", "int answer(void) { return 42; }")
        self.refused('cannot find "anwser" in "./libanswer.so": did you mean "answer"?', "anwser", "./libanswer.so", code=8)
        self.refused('cannot find "something_else" in "./libanswer.so"\n', "something_else", "./libanswer.so", code=8)

    def test_files_that_are_no_library(self):
        self.make("libanswer.so", "int answer(void) { return 42; }", "-Wl,-z,noseparate-code")
        with open(os.path.join(self.dir, "libanswer.so"), "rb") as f:
            whole = f.read()
        for name, content, said in (
            ("libempty.so", b"", "the file is empty"),
            ("libtext.so", b"int answer(void);\n", "it is no library: it does not begin as one (ELF)"),
            ("libcut.so", whole[:40], "the file is cut short"),
            ("libcut2.so", whole[: len(whole) // 4], "the file is cut short"),
            ("libnarrow.so", whole[:4] + b"\1" + whole[5:], "it is made for 32 bits, this program for 64"),
        ):
            with open(os.path.join(self.dir, name), "wb") as f:
                f.write(content)
            self.refused(f'cannot import "./{name}": {said}', "answer", "./" + name)
        subprocess.run(["gcc", "-c", "-fPIC", "-o", "object.so", "library.c"], cwd=self.dir, check=True)
        self.refused('"./object.so": it is an object file; link it with -shared', "answer", "./object.so")
        self.write("program.c", "int main(void) { return 0; }\n")
        subprocess.run(["gcc", "-fPIE", "-pie", "-o", "program.so", "program.c"], cwd=self.dir, check=True)
        self.refused('"./program.so": it is a program, and no library', "answer", "./program.so")
        subprocess.run(["gcc", "-no-pie", "-o", "program2.so", "program.c"], cwd=self.dir, check=True)
        self.refused('"./program2.so": it is a program, and no library', "answer", "./program2.so")

    def test_another_machine(self):
        for compiler, machine in (("aarch64-linux-gnu-gcc", "aarch64"), ("riscv64-linux-gnu-gcc", "RISC-V"), ("x86_64-linux-gnu-gcc", "x86-64")):
            if not shutil.which(compiler) or os.uname().machine == compiler.split("-", maxsplit=1)[0]:
                continue
            self.make("libother.so", "int answer(void) { return 42; }", "-nostdlib", compiler=compiler)
            self.refused(f'"./libother.so": it is made for {machine}, and this machine is another', "answer", "./libother.so")
            return
        self.skipTest("there is no compiler for another machine")

    def test_what_it_needs(self):
        self.make("libbelow.so", "int below(void) { return 41; }", "-Wl,-soname,libbelow-of-ours.so.1")
        self.make("libanswer.so", "int below(void); int answer(void) { return below() + 1; }", "./libbelow.so")
        self.refused('cannot import "./libanswer.so": it needs "libbelow-of-ours.so.1", which is not found; install it, or name its folder in LD_LIBRARY_PATH',
                     "answer", "./libanswer.so")
        # What has been imported before is found by its name.
        result = self.run_app("answer", "./libbelow.so", "./libanswer.so")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "42\n", ""))
        self.make("libundefined.so", "int nowhere(void); int answer(void) { return nowhere(); }")
        self.refused('cannot import "./libundefined.so": it needs "nowhere", which no library has that it names', "answer", "./libundefined.so")

    def test_a_failed_import_can_be_tried_again(self):
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <nexus/module.h>
#include <stdio.h>
int main(void)
{
    nx_module *library;
    int (*answer)(void);
    if (nx_import(&library, "./libanswer.so") != NX_EINVAL || library) return 1;
    NX_TRY(nx_fs_rename("good.so", "libanswer.so"));
    NX_TRY(nx_import(&library, "./libanswer.so"));
    NX_TRY(nx_symbol(library, "answer", &answer));
    return answer() == 42 ? NX_OK : 1;
}
""")
        self.make("good.so", "int answer(void) { return 42; }")
        self.write("libanswer.so", "no library")
        result = self.nexus("run", "app.c", "--allow-ffi", "--allow-write", "--allow-read")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_callbacks_of_a_thread_of_the_library(self):
        self.make("libcaller.so", r"""
#include <pthread.h>
static void (*call)(void *, int);
static void *argument;
static void *work(void *unused) { (void)unused; for (int i = 1; i <= 3; i++) call(argument, i); return 0; }
int start(void (*fn)(void *, int), void *arg)
{
    pthread_t thread;
    call = fn;
    argument = arg;
    return pthread_create(&thread, 0, work, 0) || pthread_detach(thread);
}
""", "-pthread")
        page = os.path.join(EXAMPLES, "../docs/ffi.md")
        with open(page) as f:
            blocks = f.read().split("```c\n")
        app = next(block for block in blocks if "libcaller.so" in block).split("```")[0]
        self.write("app.c", app)
        result = self.nexus("run", "app.c", "--allow-ffi")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "6\n", ""))

    def test_a_pointer_is_wanted(self):
        for line in ("nx_symbol(m, \"x\", answer)", "nx_symbol(m, \"x\", &number)"):
            self.write("wrong.c", f"""#include <nexus/module.h>
int main(void) {{ nx_module *m = 0; int (*answer)(void) = 0; int number = 0; (void)answer; (void)number; return {line}; }}""")
            result = self.nexus("run", "--compiler=gcc", "wrong.c")
            self.assertEqual(result.returncode, 18, result.stderr)

    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "ffi-sqlite/app.c"), os.path.join(self.dir, "app.c"))
        result = self.nexus("run", "app.c", "--allow-ffi")
        if 'the system has no such library' in result.stderr:
            self.skipTest("there is no libsqlite3.so.0")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, "name: pear, cents: 40\nname: apple, cents: 30\nkinds: 2\n")


if __name__ == "__main__":
    unittest.main()
