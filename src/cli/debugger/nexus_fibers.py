# Shows lldb the fibers of a Nexus program as threads: the running one in place of the thread that it runs on, each other
# one where it waits. NEXUS_FIBERS says where the loop's address is, and where in a loop and a fiber things are.
import os
import struct

import lldb

MOST = 256  # fibers that are shown
NAMES = "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cs fs gs".split()  # by DWARF's numbers
GENERIC = {"rip": "pc", "rsp": "sp", "rbp": "fp", "rflags": "flags"}


class OperatingSystemPlugIn(object):
    def __init__(self, process):
        self.process = process if type(process) is lldb.SBProcess else None
        (self.loop, self.running, self.fibers, self.size, self.sp, self.name, self.activity,
         self.link) = map(int, os.environ["NEXUS_FIBERS"].split(","))
        self.core = 0
        if self.process:
            # The loop runs on the first thread. They are listed as they were at the time of attaching, by their numbers.
            pid = self.process.GetProcessID()
            self.core = sum(int(task) < pid for task in os.listdir("/proc/%d/task" % pid))

    def read(self, address, size):
        error = lldb.SBError()
        data = self.process.ReadMemory(address, size, error)
        return data if error.Success() and data and len(data) == size else None

    def number(self, data):
        return struct.unpack("<Q", data)[0] if data else 0

    def text(self, address):
        error = lldb.SBError()
        return self.process.ReadCStringFromMemory(address, 64, error) or "" if address else ""

    def describe(self, fiber, data):
        what = self.text(self.number(data[self.name:self.name + 8]))
        doing, length = struct.unpack("<QQ", data[self.activity:self.activity + 16])
        if doing and 0 < length < 256:
            what += " " + (self.read(doing, length) or b"").decode("utf-8", "replace")
        return {"tid": fiber, "name": what, "queue": "", "state": "stopped", "stop_reason": "none"}

    def get_thread_info(self):
        threads, seen = [], set()
        loop = self.number(self.read(self.loop, 8)) if self.process else 0
        if not loop:
            return threads
        running = self.number(self.read(loop + self.running, 8))
        head = loop + self.fibers
        at = self.number(self.read(head, 8))
        while at and at != head and len(threads) < MOST and at not in seen:
            seen.add(at)
            fiber = at - self.link
            data = self.read(fiber, self.size)
            if not data:
                break
            thread = self.describe(fiber, data)
            if fiber == running:
                thread["core"] = self.core
            threads.append(thread)
            at = self.number(data[self.link:self.link + 8])
        data = self.read(running, self.size) if running and running + self.link not in seen else None
        if data:
            threads.append(dict(self.describe(running, data), core=self.core))
        return threads

    def get_register_info(self):
        registers = []
        for number, name in enumerate(NAMES):
            register = {"name": name, "bitsize": 64, "offset": 8 * number, "encoding": "uint", "format": "hex", "set": 0}
            if number <= NAMES.index("rip"):
                register["gcc"] = register["dwarf"] = number
            if name in GENERIC:
                register["generic"] = GENERIC[name]
            registers.append(register)
        return {"sets": ["General Purpose Registers"], "registers": registers}

    def get_register_data(self, fiber):
        # What the switch has left on the stack: control words, rbp, where to go on.
        sp = self.number(self.read(fiber + self.sp, 8))
        values = {"rbp": self.number(self.read(sp + 8, 8)), "rip": self.number(self.read(sp + 16, 8)), "rsp": sp + 24}
        return struct.pack("<%dQ" % len(NAMES), *[values.get(name, 0) for name in NAMES])
