#!/usr/bin/env python3
"""Workers from outside: NEXUS=path/to/nexus python3 tests/e2e/worker_test.py [-k name]."""
import os
import re
import shutil
import unittest

from command import Base

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")

PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static nx_err child(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    *(volatile int *)arg = 1;
    return NX_OK;
}

static nx_err crashes(void *arg)
{
    return nx_spawn(NULL, child, arg, .name = "writer");
}

static nx_err fails(void *arg)
{
    (void)arg;
    return nx_fail(NX_ETYPE, "the third row is odd");
}

static nx_err waits(void *arg)
{
    (void)arg;
    return nx_sleep(NX_S(1));
}

/* Half a second of the processor, without a call that waits. */
static nx_err computes(void *arg)
{
    struct timespec start, now;
    (void)arg;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 500);
    return NX_OK;
}

static nx_err blocks(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1))); /* what a thread does before it first waits blocks nobody yet */
    return computes(arg);
}

static nx_err item(size_t index, void *arg)
{
    (void)index;
    return computes(arg);
}

int main(int argc, char **argv)
{
    nx_fiber *worker;
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "crash")) NX_TRY(nx_worker_start(NULL, crashes, (void *)8, .name = "hash"));
    if (!strcmp(what, "fail")) NX_TRY(nx_worker_start(NULL, fails, NULL));
    if (!strcmp(what, "many"))
        for (int i = 0; i < 3; i++) NX_TRY(nx_worker_start(NULL, waits, NULL));
    if (!strcmp(what, "blocks")) NX_TRY(nx_worker_start(NULL, blocks, NULL, .name = "slow"));
    if (!strcmp(what, "computes")) {
        NX_TRY(nx_worker_start(&worker, blocks, NULL, .computes = true));
        NX_TRY(nx_join(worker));
        NX_TRY(nx_parallel(2, item, NULL));
    }
    if (!strcmp(what, "exit")) {
        NX_TRY(nx_worker_start(NULL, waits, NULL));
        NX_TRY(nx_parallel(2, item, NULL));
        exit(3);
    }
    return NX_OK;
}
"""


class Workers(Base):
    def run_it(self, what, *flags, **options):
        self.write("app.c", PROGRAM)
        return self.nexus("run", *flags, "app.c", "--", what, **options)

    def test_a_crash_names_the_worker(self):
        result = self.run_it("crash")
        self.assertEqual(result.returncode, 128 + 11, result.stderr)
        self.assertIn('the program crashed in fiber "writer" of worker "hash": segmentation fault', result.stderr)

    def test_the_error_of_a_worker_is_the_programs(self):
        result = self.run_it("fail")
        self.assertEqual(result.returncode, 25)
        self.assertIn("the third row is odd", result.stderr)

    def test_the_limit(self):
        result = self.run_it("many", "--max-workers=2")
        self.assertEqual(result.returncode, 13)
        self.assertIn('cannot start worker "worker": 2 are alive (see --max-workers)', result.stderr)

    def test_one_that_blocks_is_told(self):
        result = self.run_it("blocks", watchdog=True)
        self.assertEqual(result.returncode, 0)
        self.assertIn('fiber "slow" of worker "slow" has blocked the loop for 100 ms', result.stderr)

    def test_one_that_computes_is_not(self):
        result = self.run_it("computes", watchdog=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_exit_ends_them_all(self):
        self.assertEqual(self.run_it("exit").returncode, 3)


class Hashes(Base):
    def hashes(self, folder):
        """What the example should say, as it hashes."""
        for path, _, names in os.walk(folder):
            for name in names:
                value = 0xcbf29ce484222325
                with open(os.path.join(path, name), "rb") as file:
                    for byte in file.read():
                        value = ((value ^ byte) * 0x100000001b3) % (1 << 64)
                yield f"{value:016x}  {os.path.relpath(os.path.join(path, name), self.dir)}"

    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "parallel-hash/app.c"), os.path.join(self.dir, "app.c"))
        total = 0
        for i in range(120):
            folder = os.path.join(self.dir, f"files/{i % 7}")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, f"{i}.txt"), "wb") as file:
                total += file.write(bytes((i * 31 + k) % 256 for k in range(i * 20 if i else 40000)))
        result = self.nexus("run", "app.c", "--allow-read=files", "--", "files")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(result.stdout.splitlines()), sorted(self.hashes(os.path.join(self.dir, "files"))))
        self.assertRegex(result.stderr, rf"hashing: {total / 1024:.1f} KiB in ")

    def test_a_file_that_is_refused(self):
        shutil.copy(os.path.join(EXAMPLES, "parallel-hash/app.c"), os.path.join(self.dir, "app.c"))
        os.makedirs(os.path.join(self.dir, "files"))
        for i in range(10):
            self.write(f"files/{i}", "text")
        result = self.nexus("run", "app.c", "--allow-read=files", "--deny-read=files/7", "--", "files")
        self.assertEqual(result.returncode, 7, result.stdout)
        self.assertTrue(re.search(r"files/7.*not allowed|denied", result.stderr), result.stderr)
        self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main()
