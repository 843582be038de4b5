#!/usr/bin/env python3
"""Files from outside: NEXUS=path/to/nexus python3 tests/e2e/fs_test.py [-k name]."""
import contextlib
import os
import random
import select
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
        # It watches when it tells of one, and then of each.
        probes = 0
        while not select.select([process.stdout], [], [], 0.1)[0]:
            probes += 1
            os.mkdir(os.path.join(self.dir, f"src/probe{probes}"))
        while process.stdout.readline() != f"create: ./src/probe{probes}\n":
            pass
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
        self.assertEqual(process.wait(60 * SLOW), 0, process.stderr.read())

    def test_refused(self):
        shutil.copy(os.path.join(EXAMPLES, "file-watch/app.c"), os.path.join(self.dir, "app.c"))
        os.mkdir(os.path.join(self.dir, "src"))
        self.write("config.json", "{}")
        result = self.nexus("run", "app.c", "--allow-read=config.json")
        self.assertEqual(result.returncode, 7)
        self.assertIn("reading \"./src\" is not allowed; run with --allow-read=./src", result.stderr)


class Mirror(Base):
    def tree(self, name):
        """Each path below, with what it is."""
        found = {}
        for path, directories, files in os.walk(os.path.join(self.dir, name)):
            for entry in directories + files:
                full = os.path.join(path, entry)
                if os.path.islink(full):
                    what = os.readlink(full)
                elif os.path.isdir(full):
                    what = "directory"
                else:
                    with open(full) as f:
                        what = f.read()
                found[os.path.relpath(full, os.path.join(self.dir, name))] = what
        return found

    def same(self):
        try:
            return self.tree("src") == self.tree("copy")
        except FileNotFoundError:  # while it is looked at
            return False

    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "mirror/app.c"), os.path.join(self.dir, "app.c"))
        source = os.path.join(self.dir, "src")
        os.makedirs(os.path.join(source, "deep/er"))
        os.makedirs(os.path.join(self.dir, "copy/stray/in"))
        self.write("src/a", "a")
        self.write("src/deep/er/b", "b")
        self.write("secret", "not to be copied")
        process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-read=src,copy", "--allow-write=copy", "--", "src/", "copy"], cwd=self.dir, text=True,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        self.addCleanup(process.communicate)
        self.assertIn("it is the same", process.stderr.readline())
        self.assertTrue(self.same())
        self.write("src/a", "a again")
        self.write("src/c", "c")
        os.symlink("../secret", os.path.join(source, "link"))
        wait_for(self.same)
        self.assertEqual(self.tree("copy")["link"], "../secret")
        os.rename(os.path.join(source, "deep"), os.path.join(source, "moved"))
        self.write("src/moved/er/d", "d")
        os.remove(os.path.join(source, "c"))
        wait_for(self.same)
        shutil.rmtree(source)
        self.assertEqual(process.wait(60 * SLOW), 0, process.stderr.read())


class Stream(Base):
    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "stream-upper/app.c"), os.path.join(self.dir, "app.c"))
        self.write("input.txt", "Hello, streams\n" * 50000)
        result = self.nexus("run", "app.c", "--allow-read=input.txt", "--allow-write=output.txt")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(os.path.join(self.dir, "output.txt")) as f:
            self.assertEqual(f.read(), "HELLO, STREAMS\n" * 50000)
        result = self.nexus("run", "app.c", "--allow-read=input.txt")
        self.assertEqual(result.returncode, 7)
        self.assertIn('writing "output.txt" is not allowed; run with --allow-write=output.txt', result.stderr)


class Replace(Base):
    def test_a_kill_leaves_old_or_new(self):
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <string.h>
int main(void)
{
    static char text[26 * 20000];
    for (char c = 'a';; c = c == 'z' ? 'a' : (char)(c + 1)) {
        size_t len = (size_t)(c - 'a' + 1) * 20000;
        memset(text, c, len);
        NX_TRY(nx_fs_write_file("data", nx_slice(text, len)));
    }
}""")
        path = os.path.join(self.dir, "data")

        def inode():
            return os.stat(path).st_ino if os.path.exists(path) else 0

        for _ in range(25):
            before = inode()
            process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-write=data"], cwd=self.dir)
            self.addCleanup(process.kill)
            wait_for(lambda: inode() != before)  # it is at it
            time.sleep(random.random() * 0.05)
            children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            for pid in children:
                with contextlib.suppress(ProcessLookupError):  # who changes modes for it ends with it
                    os.kill(int(pid), signal.SIGKILL)
            process.kill()
            process.wait()
            with open(path, "rb") as f:
                data = f.read()
            self.assertEqual(data, data[:1] * (data[0] - ord("a") + 1) * 20000)


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
        result = self.nexus("run", "app.c", "--allow-read=disk,app.c", "--allow-write=disk")
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
        result = self.nexus("run", "app.c", "--allow-read=.", "--allow-write=.")  # removing the folder itself, too
        self.assertEqual(result.stdout.splitlines(), ["NX_EACCES 30"] * 5, result.stderr)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "it takes root and setpriv to be another user")
    def test_what_the_system_refuses(self):
        tree = os.path.join(self.dir, "tree")
        os.makedirs(os.path.join(tree, "shut/in"))
        os.makedirs(os.path.join(tree, "held"))
        for name in ("shut/a", "held/a", "own", "secret"):
            with open(os.path.join(tree, name), "w"):
                pass
        for path, _, files in os.walk(self.dir):
            for name in [path, *(os.path.join(path, f) for f in files)]:
                os.chown(name, 65534, 65534)
        os.chmod(os.path.join(tree, "secret"), 0)
        os.chmod(os.path.join(tree, "shut"), 0)
        os.chmod(os.path.join(tree, "held"), 0o500)
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <stdio.h>
static void say(const char *what, nx_err err)
{
    printf("%s %s %d\n", what, nx_err_name(err), err ? nx_error_last()->system : 0);
}
int main(void)
{
    nx_bytes bytes;
    nx_walk *walk;
    nx_fs_entry entry;
    nx_fs_entry *entries;
    size_t count;
    nx_watcher *watcher;
    say("read", nx_fs_read_file("tree/secret", &bytes));
    say("below", nx_fs_read_file("tree/shut/a", &bytes));
    say("write", nx_fs_write_file("tree/held/b", nx_str("x")));
    say("mkdir", nx_fs_mkdir("tree/held/in/deep", .parents = true));
    say("rename", nx_fs_rename("tree/held/a", "tree/a"));
    say("chown", nx_fs_chown("tree/own", 0, 0));
    say("list", nx_fs_list("tree/shut", &entries, &count));
    say("watch", nx_fs_watch(&watcher, "tree/shut"));
    say("walk", nx_fs_walk(&walk, "tree"));
    while (nx_walk_next(walk, &entry) == NX_OK)
        if (entry.error) printf("%s %s\n", entry.path, nx_err_name(entry.error));
    nx_walk_free(walk);
    say("remove", nx_fs_remove_all("tree"));
    say("again", nx_fs_list("tree", &entries, &count));
    for (size_t i = 0; i < count; i++) printf("%s ", entries[i].name);
    puts("");
    return 0;
}""")
        os.chmod(self.dir, 0o755)
        env = {"HOME": self.dir, "TMPDIR": self.dir}
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", NEXUS, "run", "app.c", "--allow-read=.", "--allow-write=."],
                                cwd=self.dir, env={**os.environ, **env}, capture_output=True, text=True, timeout=60 * SLOW)
        if "Permission denied" in result.stderr and not result.stdout:
            self.skipTest(f"another user can't run {NEXUS}")
        self.assertEqual(result.stdout.splitlines(), [
            "read NX_EACCES 13", "below NX_EACCES 13", "write NX_EACCES 13", "mkdir NX_EACCES 13", "rename NX_EACCES 13", "chown NX_EACCES 1",
            "list NX_EACCES 13", "watch NX_EACCES 13", "walk NX_OK 0", "tree/shut NX_EACCES", "remove NX_EACCES 13", "again NX_OK 0", "held shut "],
            result.stderr)
        os.chmod(os.path.join(tree, "shut"), 0o700)
        os.chmod(os.path.join(tree, "held"), 0o700)

    @unittest.skipUnless(shutil.which("unshare"), "it takes unshare")
    def test_the_limit_of_watches_is_told(self):
        for i in range(20):
            os.makedirs(os.path.join(self.dir, f"tree/{i}"))
        self.write("app.c", r"""
#include <nexus/fs.h>
#include <stdio.h>
int main(void)
{
    nx_watcher *watcher;
    nx_fs_event event;
    nx_err err = nx_fs_watch(&watcher, "tree", .recursive = true);
    printf("%s %s\n", nx_err_name(err), nx_error_last()->message);
    NX_TRY(nx_fs_watch(&watcher, "small", .recursive = true, .create = true));
    for (int i = 0; i < 20; i++) NX_TRY(nx_fs_mkdir(nx_format("small/%d", i)));
    while ((err = nx_watcher_next(watcher, &event)) == NX_OK) {}
    printf("%s\n", nx_err_name(err));
    nx_watcher_free(watcher);
    return 0;
}""")
        os.mkdir(os.path.join(self.dir, "small"))
        command = 'echo 12 >/proc/sys/user/max_inotify_watches && exec "$@"'
        result = subprocess.run(["unshare", "-Ur", "sh", "-c", command, "sh", NEXUS, "run", "app.c", "--allow-read=.", "--allow-write=."], cwd=self.dir,
                                capture_output=True, text=True, timeout=60 * SLOW)
        if not result.stdout:
            self.skipTest(f"no namespace of its own: {result.stderr.strip()[:200]}")
        first, second = result.stdout.splitlines()
        self.assertIn("NX_ELIMIT cannot watch \"tree/\": the system's limit of watches is reached (sysctl fs.inotify.max_user_watches)", first)
        self.assertEqual(second, "NX_ELIMIT", result.stderr)


if __name__ == "__main__":
    unittest.main()
