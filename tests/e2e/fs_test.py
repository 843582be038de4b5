#!/usr/bin/env python3
"""Files from outside: NEXUS=path/to/nexus python3 tests/e2e/fs_test.py [-k name]."""
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from command import NEXUS, SLOW, Base, wait_for

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")


class Watch(Base):
    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "file-watch/app.c"), os.path.join(self.dir, "app.c"))
        os.mkdir(os.path.join(self.dir, "src"))
        self.write("config.json", '{"a": 1}')
        process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-read=config.json,src"], cwd=self.dir, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        self.addCleanup(process.communicate)
        self.assertEqual(process.stdout.readline(), '{"a": 1}\n')
        time.sleep(0.2 * SLOW)  # until it watches, which it does not say
        os.makedirs(os.path.join(self.dir, "src/deep/er"))
        with open(os.path.join(self.dir, "src/deep/er/a.c"), "w") as f:
            f.write("int a;")
        said = []
        while "create: ./src/deep/er/a.c\n" not in said:
            said.append(process.stdout.readline())
            self.assertTrue(said[-1], said)
        self.assertEqual(said[:2], ["create: ./src/deep\n", "create: ./src/deep/er\n"])
        os.rename(os.path.join(self.dir, "src/deep/er/a.c"), os.path.join(self.dir, "src/b.c"))
        while "create: ./src/b.c\n" not in said:
            said.append(process.stdout.readline())
            self.assertTrue(said[-1], said)
        shutil.rmtree(os.path.join(self.dir, "src"))
        self.assertEqual(process.wait(10 * SLOW), 0, process.stderr.read())

    def test_refused(self):
        shutil.copy(os.path.join(EXAMPLES, "file-watch/app.c"), os.path.join(self.dir, "app.c"))
        os.mkdir(os.path.join(self.dir, "src"))
        self.write("config.json", "{}")
        result = self.nexus("run", "app.c", "--allow-read=config.json")
        self.assertEqual(result.returncode, 7)
        self.assertIn("reading \"./src\" is not allowed; run with --allow-read=./src", result.stderr)


class Replace(Base):
    def test_a_kill_leaves_old_or_new(self):
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <string.h>
int main(void)
{
    static char text[300000];
    for (char c = 'a';; c = c == 'z' ? 'a' : (char)(c + 1)) {
        memset(text, c, sizeof text);
        NX_TRY(nx_fs_write_file("data", nx_slice(text, sizeof text)));
    }
}""")
        path = os.path.join(self.dir, "data")
        for _ in range(12):
            process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-write=data"], cwd=self.dir)
            self.addCleanup(process.kill)
            wait_for(lambda: os.path.exists(path), 15)
            time.sleep(random.random() * 0.05)
            children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            for pid in children:
                os.kill(int(pid), signal.SIGKILL)
            process.kill()
            process.wait()
            with open(path, "rb") as f:
                data = f.read()
            self.assertEqual((len(data), len(set(data))), (300000, 1))


class Disk(Base):
    @unittest.skipUnless(os.geteuid() == 0, "mounting takes the superuser")
    def test_a_full_disk_and_one_that_is_read_only(self):
        disk = os.path.join(self.dir, "disk")
        os.mkdir(disk)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True)
        if mount.returncode:
            self.skipTest(f"no tmpfs can be mounted: {mount.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <stdio.h>
#include <string.h>
static void say(const char *what, nx_err err)
{
    printf("%s %s %s\n", what, nx_err_name(err), err ? strerror(nx_error_last()->system) : "");
}
int main(void)
{
    static char text[1 << 20];
    nx_file *file;
    nx_bytes bytes;
    say("small", nx_fs_write_file("disk/a", nx_str("kept")));
    say("large", nx_fs_write_file("disk/a", nx_slice(text, sizeof text)));
    say("append", nx_fs_append_file("disk/b", nx_slice(text, sizeof text)));
    say("open", nx_fs_open(&file, "disk/b", .truncate = true));
    say("write", nx_file_write(file, nx_slice(text, sizeof text)));
    say("close", nx_file_close(file));
    say("copy", nx_fs_copy("app.c", "disk/c"));
    say("remove", nx_fs_remove("disk/b"));
    say("copy", nx_fs_copy("app.c", "disk/c"));
    say("read", nx_fs_read_file("disk/a", &bytes));
    printf("%.*s\n", NX_FMT(bytes));
    return 0;
}""")
        result = self.nexus("run", "app.c", "--allow-all")
        self.assertEqual(result.stdout.splitlines(), [
            "small NX_OK ", "large NX_ENOSPC No space left on device", "append NX_ENOSPC No space left on device", "open NX_OK ",
            "write NX_ENOSPC No space left on device", "close NX_OK ", "copy NX_ENOSPC No space left on device", "remove NX_OK ",
            "copy NX_OK ", "read NX_OK ", "kept"], result.stderr)
        self.assertEqual(sorted(os.listdir(disk)), ["a", "c"])
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <stdio.h>
int main(void)
{
    nx_file *file;
    printf("%s %d\n", nx_err_name(nx_fs_write_file("disk/a", nx_str("x"))), nx_error_last()->system);
    printf("%s %d\n", nx_err_name(nx_fs_open(&file, "disk/a", .write = true)), nx_error_last()->system);
    printf("%s %d\n", nx_err_name(nx_fs_remove("disk/a")), nx_error_last()->system);
    printf("%s %d\n", nx_err_name(nx_fs_mkdir("disk/d")), nx_error_last()->system);
    printf("%s %d\n", nx_err_name(nx_fs_remove_all("disk")), nx_error_last()->system);
    return 0;
}""")
        result = self.nexus("run", "app.c", "--allow-all")
        self.assertEqual(result.stdout.splitlines(), ["NX_EACCES 30"] * 5, result.stderr)


if __name__ == "__main__":
    unittest.main()
