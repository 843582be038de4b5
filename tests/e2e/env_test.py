"""The environment of a program under nexus run: what is granted, what is withheld, and --env-file."""
import os
import subprocess
import tempfile
import unittest

from support import HERE, NEXUS

APP = os.path.join(HERE, "apps", "env.c")


def run(names, *flags, **env):
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "NEXUS_CACHE") if k in os.environ}
    return subprocess.run([NEXUS, "run", *flags, APP, "--", *names], capture_output=True, text=True, timeout=60,
                          env={**kept, "SECRET": "s3cret", "PORT": "80", **env})


class Env(unittest.TestCase):
    def shown(self, *args, **env):
        result = run(*args, **env)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_nothing_is_granted(self):
        out = self.shown(["SECRET", "HOME", "LC_TIME"], LC_TIME="C")
        self.assertIn("SECRET: the environment variable SECRET is not allowed; run with --allow-env=SECRET, none\n", out)
        self.assertIn(f"HOME: {os.environ['HOME']}, {os.environ['HOME']}\n", out)
        self.assertIn("LC_TIME: C, C\n", out)

    def test_what_is_named_is_granted(self):
        out = self.shown(["SECRET", "PORT"], "--allow-env=PORT")
        self.assertIn("PORT: 80, 80\n", out)
        self.assertIn("SECRET: the environment variable SECRET is not allowed; run with --allow-env=SECRET, none\n", out)

    def test_all_but_one(self):
        out = self.shown(["SECRET", "PORT", "HOME"], "--allow-env", "--deny-env=SECRET,HOME")
        self.assertIn("PORT: 80, 80\n", out)
        self.assertIn("SECRET: the environment variable SECRET is denied by --deny-env, none\n", out)
        self.assertIn("HOME: the environment variable HOME is denied by --deny-env, none\n", out)

    def test_the_list_of_the_kernel_is_wiped(self):
        self.assertIn("the kernel's list: has no secret", self.shown([], "--allow-all", "--deny-env=SECRET"))
        self.assertIn("the kernel's list: has the secret", self.shown([], "--allow-all"))
        self.assertIn("--allow-all", self.shown([], "--allow-read"))  # the file is no file that --allow-read opens

    def test_all(self):
        self.assertIn("SECRET: s3cret, s3cret\n", self.shown(["SECRET"], "--allow-env"))

    def test_env_file(self):
        with tempfile.TemporaryDirectory() as folder:
            one, two = os.path.join(folder, "one.env"), os.path.join(folder, "two.env")
            with open(one, "w") as f:
                f.write("PORT=1\nTOKEN='one'\nEXTRA=\"a\\nb\"\n")
            with open(two, "w") as f:
                f.write("TOKEN=two # a comment\n")
            files = (f"--env-file={one}", f"--env-file={two}")
            out = self.shown(["PORT", "TOKEN", "EXTRA"], "--allow-env", *files)
            self.assertIn("PORT: 80, 80\n", out)  # who starts it has the last word
            self.assertIn("TOKEN: two, two\n", out)
            self.assertIn("EXTRA: a\nb, a\nb\n", out)
            self.assertIn("--allow-env=TOKEN, none\n", self.shown(["TOKEN"], *files))  # a file grants nothing

            with open(two, "w") as f:
                f.write("A=1\nwhat is this\n")
            bad = run([], *files)
            self.assertEqual(bad.returncode, 4)
            self.assertIn(f'nexus: cannot use "{two}": line 2: expected NAME=VALUE, not "what is this"', bad.stderr)
            none = run([], "--env-file=" + os.path.join(folder, "none"))
            self.assertEqual(none.returncode, 8)
            self.assertIn("no such file", none.stderr)
            self.assertIn("--env-file needs a file", run([], "--env-file").stderr)


if __name__ == "__main__":
    unittest.main()
