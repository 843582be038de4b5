"""Processes: starting them on a core, ending them, and what they use of CPU and memory."""
import ctypes
import mmap
import os
import resource
import signal
import struct
import subprocess
import time

SERVER_CORE = 0
CLIENT_CORE = 1
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement that can't be made, with the reason."""


def raise_file_limit():
    """Lets this process and its children open as many files as the hard limit allows; returns that number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cores():
    """The cores for server and client: two of their own, or one for both on a machine with one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[SERVER_CORE], allowed[min(CLIENT_CORE, len(allowed) - 1)]


def start(command, core=None, **options):
    """Starts a command as the leader of a session of its own, on one core or on all."""

    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})

    return subprocess.Popen(command, start_new_session=True, preexec_fn=prepare, **options)


def stop(process):
    """Kills the process and all below it, and waits for it."""
    pids = tree(process.pid)
    for pid in [-process.pid] + pids:
        try:
            os.killpg(-pid, signal.SIGKILL) if pid < 0 else os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def output(command, timeout=60, core=None, env=None, cwd=None):
    """Runs a command to its end and returns what it printed; Failed with its message if it fails."""
    process = start(command, core, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                    env=env, cwd=cwd)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{os.path.basename(command[0])} did not end within {timeout} s") from None
    finally:
        stop(process)
    if process.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])}: {last_line(err) or f'exit {process.returncode}'}")
    return out.decode()


def last_line(text):
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def tree(root):
    """The process and all below it."""
    pids, todo = [], [root]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        for task in os.listdir(f"/proc/{pid}/task") if os.path.isdir(f"/proc/{pid}/task") else []:
            todo += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    return pids


def memory(root):
    """(RSS, PSS) of the process tree in bytes, exact (smaps_rollup; the counters of statm lag)."""
    rss = pss = 0
    for pid in tree(root):
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
    return rss, pss


class Cpu:
    """CPU seconds that a process tree has used, at one moment.

    Total: the scheduler's nanoseconds (schedstat) as long as no thread has ended in between, else the ticks of
    /proc/PID/stat, which keep the ended ones. User: ticks, 10 ms each."""

    def __init__(self, root):
        self.user = self.ticks = 0.0
        self.threads = {}
        for pid in tree(root):
            fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            if len(fields) < 13:
                continue
            self.user += int(fields[11]) * TICK
            self.ticks += (int(fields[11]) + int(fields[12])) * TICK
            for task in os.listdir(f"/proc/{pid}/task"):
                used = _read(f"/proc/{pid}/task/{task}/schedstat").split()
                self.threads[task] = int(used[0]) / 1e9 if used else 0.0

    def since(self, before):
        """(user by ticks, total) seconds between `before` and this."""
        if set(before.threads) <= set(self.threads):
            total = sum(self.threads.values()) - sum(before.threads.values())
        else:
            total = self.ticks - before.ticks
        return self.user - before.user, total


class Sampler:
    """Which part of a core's time a process tree spends in user space, by perf_event_open.

    The kernel's clock interrupt (4 ms) sees only some 2,500 moments in 10 s of CPU: a user part of 5 % is then known
    to within 9 %. This looks 4,000 times a second, with one event on the whole core, so the server pays nothing
    of its own. Needs root or kernel.perf_event_paranoid below 1; where it is refused, `ok` is false."""

    PERIOD_NS = 251_000
    PAGES = 512  # 2 MiB: room for 30 s

    def __init__(self, core):
        self.ok = False
        attributes = struct.pack(
            "<IIQQQQQII",
            1, 64, 0,                   # software, size of the struct's first version, cpu-clock
            self.PERIOD_NS, 2, 0, 1, 0, 0)  # sample: pid and tid; starts disabled
        attributes = attributes.ljust(64, b"\0")
        libc = ctypes.CDLL(None, use_errno=True)
        number = {"x86_64": 298, "aarch64": 241, "riscv64": 241}.get(os.uname().machine)
        if number is None:
            return
        self.fd = libc.syscall(number, attributes, -1, core, -1, 8)
        if self.fd < 0:
            return
        try:
            self.ring = mmap.mmap(self.fd, (self.PAGES + 1) * mmap.PAGESIZE)
        except OSError:
            os.close(self.fd)
            return
        self.ok = True
        self.ioctl = lambda request: libc.ioctl(self.fd, request, 0)

    def begin(self):
        self.ioctl(0x2400)

    def end(self, root):
        """(user samples, all samples) of the tree, and the samples of processes outside it."""
        self.ioctl(0x2401)
        pids = set(tree(root))
        head = struct.unpack_from("<Q", self.ring, 1024)[0]
        tail = struct.unpack_from("<Q", self.ring, 1032)[0]
        size = self.PAGES * mmap.PAGESIZE
        user = total = others = 0
        while tail < head:
            at = mmap.PAGESIZE + tail % size
            kind, misc, length = struct.unpack_from("<IHH", self.ring, at)
            if length == 0:
                break
            if kind == 9:  # a sample; never split, since all records are of 8 or 16 bytes or aligned so
                pid = struct.unpack_from("<I", self.ring, mmap.PAGESIZE + (tail + 8) % size)[0]
                if pid in pids:
                    total += 1
                    user += (misc & 7) == 2
                elif pid != 0:
                    others += 1
            tail += length
        struct.pack_into("<Q", self.ring, 1032, head)
        return user, total, others

    def close(self):
        if self.ok:
            self.ring.close()
            os.close(self.fd)


def machine_noise(seconds=0.5):
    """What others do on this machine just now: a list of warnings, empty when it is quiet."""

    def used():
        result = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            head, _, rest = _read(f"/proc/{pid}/stat").rpartition(")")
            fields = rest.split()
            if len(fields) > 12 and int(pid) != os.getpid():
                result[int(pid)] = (head.partition("(")[2], int(fields[11]) + int(fields[12]))
        steal = int(_read("/proc/stat").split()[8])
        return result, steal

    before, steal = used()
    time.sleep(seconds)
    after, steal_after = used()
    warnings = []
    for pid, (name, ticks) in after.items():
        share = (ticks - before.get(pid, (name, ticks))[1]) * TICK / seconds
        if share > 0.05:
            warnings.append(f"{name} (pid {pid}) uses {share:.0%} of a core")
    stolen = (steal_after - steal) * TICK / seconds
    if stolen > 0.02:
        warnings.append(f"the hypervisor takes {stolen:.0%} of a core")
    load = os.getloadavg()[0]
    if not warnings and load > 1:
        warnings.append(f"the load average is {load:.1f}")
    return warnings
