#!/usr/bin/env python3
"""Programs that ask about their permissions: NEXUS=path/to/nexus python3 tests/e2e/permission_test.py [-k name]."""
import os
import unittest

from command import Base

# Does what it is told: "query KIND NAME", "request KIND NAME", "revoke KIND NAME", "read FILE -"; a NAME "-" stands for none.
PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const char *const kinds[] = {"read", "write", "listen", "connect", "env", "run", "ffi", "sys", "wasm"};
static const char *const states[] = {"granted", "prompt", "denied"};
static int kind_of(const char *name)
{
    for (int i = 0; i < NX_PERMISSION_COUNT; i++)
        if (strcmp(kinds[i], name) == 0) return i;
    return NX_PERMISSION_COUNT;
}
int main(int argc, char **argv)
{
    nx_bytes text;
    for (int i = 1; i + 2 < argc; i += 3) {
        const char *name = strcmp(argv[i + 2], "-") == 0 ? NULL : argv[i + 2];
        nx_permission kind = (nx_permission)kind_of(argv[i + 1]);
        nx_err err = NX_OK;
        if (strcmp(argv[i], "query") == 0) {
            nx_permission_state state = nx_permission_query(kind, name);
            printf("%s\n", states[state]);
            continue;
        }
        if (strcmp(argv[i], "request") == 0) err = nx_permission_request(kind, name);
        if (strcmp(argv[i], "revoke") == 0) err = nx_permission_revoke(kind, name);
        if (strcmp(argv[i], "file") == 0) err = nx_fs_read_file(argv[i + 1], &text);
        if (strcmp(argv[i], "variable") == 0) {
            printf("%s\n", nx_env(argv[i + 1]) ? "there" : "none");
            continue;
        }
        printf("%s\n", err ? nx_error_last()->message : "done");
    }
    return 0;
}
"""


class Permission(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", PROGRAM)
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("data/a", "a")
        self.write("data/b", "b")

    def said(self, script, *flags):
        """What the program answers to each line of the script, which has those answers behind "=>"."""
        lines = [line.split("=>") for line in script.strip().splitlines()]
        words = [word for line in lines for word in line[0].split()]
        run = self.nexus("run", *flags, "app.c", "--", *words)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for line, answer in zip(lines, run.stdout.splitlines(), strict=True):
            self.assertEqual(answer, line[1].strip(), line[0])

    def test_query(self):
        self.said("""
query read data/a                => granted
query read data                  => granted
query read app.c                 => denied
query read -                     => denied
query write data/a               => denied
query connect api.example.com:1  => granted
query connect example.com:1      => denied
query connect 10.1.2.3:443       => granted
query listen 10.1.2.3:443        => denied
query listen 127.0.0.1:80        => granted
query listen -                   => denied
query connect no:port            => denied
query env HOME                   => granted
query env SECRET                 => denied
query env -                      => denied
query run ls                     => granted
query run /bin/../bin/nothing    => denied
query run cat                    => denied
query sys load                   => granted
query sys memory                 => denied
query wasm x.wasm                => granted
query wasm /elsewhere/x.wasm     => denied
query wasm -                     => denied
query ffi /lib/x.so              => denied
""", "--allow-read=data", "--allow-connect=*.example.com,10.0.0.0/8:443", "--allow-listen=:80", "--allow-run=ls", "--allow-sys=load")

    def test_all_of_a_kind(self):
        self.said("""
query read -     => granted
query connect -  => granted
query listen -   => denied
query sys -      => denied
query run -      => granted
""", "--allow-all", "--deny-listen", "--deny-sys=load")
        self.said("query connect - => granted\nquery listen - => denied", "--allow-connect")

    def test_request(self):
        self.said("""
request read data/a         => done
request read app.c          => reading "app.c" is not allowed; run with --allow-read=app.c
request read -              => not all is allowed; run with --allow-read
request connect a.b:1       => connecting to a.b:1 is not allowed; run with --allow-net=a.b:1
request listen 1.2.3.4:1    => listening on 1.2.3.4:1 is not allowed; run with --allow-net=1.2.3.4:1
request listen -            => not all is allowed; run with --allow-listen
request run cat             => starting "cat" is not allowed; run with --allow-run=cat
request sys load            => the host's load is not allowed; run with --allow-sys=load
request env -               => done
""", "--allow-read=data", "--allow-env")

    def test_revoke(self):
        self.said("""
file data/a -             => done
revoke read data/a        => done
file data/a -             => reading "data/a" is denied by --deny-read, or the program has given it up
file data/b -             => done
query read data/a         => denied
query read data/b         => granted
query read -              => denied
request read data/a       => reading "data/a" is denied by --deny-read, or the program has given it up
revoke read -             => done
file data/b -             => reading "data/b" is denied by --deny-read, or the program has given it up
query connect 10.0.0.1:1  => granted
revoke connect 10.0.0.0/8 => done
query connect 10.0.0.1:1  => denied
query listen 10.0.0.1:1   => granted
query connect 11.0.0.1:1  => granted
variable HOME -           => there
revoke env HOME           => done
variable HOME -           => none
revoke connect a:b        => cannot give up a permission: "a:b" is no network address: a port is a number from 0 to 65535
revoke sys moon           => cannot give up a permission: there is no fact "moon"; there are hostname, os, cpus, memory, uptime, load, network and user
revoke ffi x.so           => cannot give up loading "x.so": all can be given up, with NULL
query ffi x.so            => granted
revoke ffi -              => done
query ffi x.so            => denied
""", "--allow-read=data", "--allow-net", "--allow-ffi")

    def test_revoke_where_all_was_granted(self):
        self.said("revoke read data/a => done\nfile data/b - => done\nquery read data/a => denied", "--allow-all")


if __name__ == "__main__":
    unittest.main()
