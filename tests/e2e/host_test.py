"""Facts about the machine, from a program under nexus run."""
import os
import platform
import subprocess
import tempfile
import unittest

from support import HERE, NEXUS

EXAMPLE = os.path.abspath(os.path.join(HERE, "../../examples/host-facts/app.c"))

PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
int main(void)
{
    nx_host host = {.size = sizeof host};
    nx_user user = {.size = sizeof user};
    nx_interface *networks;
    size_t count;
    if (nx_host_get(&host))
        printf("host: %s\n", nx_error_last()->message);
    else
        printf("host:%s%s%s%s%s\n", *host.name ? " hostname" : "", *host.release ? " release" : "", host.cpus ? " cpus" : "",
               host.memory ? " memory" : "", host.uptime ? " uptime" : "");
    if (nx_user_get(&user)) printf("user: %s\n", nx_error_last()->message);
    if (nx_host_interfaces(&networks, &count)) printf("interfaces: %s\n", nx_error_last()->message);
    return 0;
}
"""


class Host(unittest.TestCase):
    def test_the_example(self):
        run = subprocess.run([os.path.abspath(NEXUS), "run", "--allow-sys", "app.c"], cwd=os.path.dirname(EXAMPLE), capture_output=True, text=True,
                             timeout=60)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        rows = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())
        self.assertEqual(rows["host"], platform.node())
        self.assertIn(platform.release(), rows["kernel"])
        self.assertTrue(rows["program"].startswith(EXAMPLE + ", process "), rows["program"])
        self.assertEqual(rows["lo"], "127.0.0.1/8" if "::1" not in run.stdout else rows["lo"])
        self.assertTrue(rows["cache"].endswith("/host-facts"))

    def refused(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "app.c")
            with open(path, "w") as f:
                f.write(PROGRAM)
            return subprocess.run([os.path.abspath(NEXUS), "run", path, *flags], capture_output=True, text=True, timeout=60).stdout

    def test_what_is_not_granted(self):
        self.assertEqual(self.refused(), "host: facts about the host are not allowed; run with --allow-sys, or with some of "
                         "--allow-sys=hostname,os,cpus,memory,uptime,load\n"
                         "user: the host's user is not allowed; run with --allow-sys=user\n"
                         "interfaces: the host's network is not allowed; run with --allow-sys=network\n")
        self.assertEqual(self.refused("--allow-sys=memory,user"), "host: memory\n"
                         "interfaces: the host's network is not allowed; run with --allow-sys=network\n")
        self.assertEqual(self.refused("--allow-sys", "--deny-sys=hostname,user"), "host: release cpus memory uptime\n"
                         "user: the host's user is denied by --deny-sys\n")


if __name__ == "__main__":
    unittest.main()
