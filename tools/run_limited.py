#!/usr/bin/env python3
"""Runs a command in a memory cgroup of its own, with a file's pages evicted first, and says what it took.

usage: run_limited.py [--memory 1G] [--evict FILE]... [--json FILE] -- COMMAND [ARGUMENT]...

Needs root: makes a child of this process's own memory cgroup (version 1 or 2), without swap. Evicting is checked with
mincore: every page of the files must be out of the page cache before the command starts. Printed as JSON: exit code,
seconds, the group's peak (its share of the page cache included), major faults and bytes read from disk by the command.
"""
import argparse
import ctypes
import json
import mmap
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_bytes(text):
    return int(float(text[:-1]) * UNITS[text[-1]]) if text[-1:] in UNITS else int(text)


def resident_pages(path):
    """How many pages of a file the page cache holds (mincore(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    size = path.stat().st_size
    seen = (ctypes.c_ubyte * ((size + mmap.PAGESIZE - 1) // mmap.PAGESIZE))()
    with open(path, "rb") as f:
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, f.fileno(), 0)
    if libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), seen) != 0:
        raise OSError(ctypes.get_errno(), "mincore", str(path))
    libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    return sum(page & 1 for page in seen)


def evict(path):
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    left = resident_pages(path)
    if left:
        sys.exit(f"run_limited: {left} pages of {path} are still in memory: another process maps them")


class Group:
    """A memory cgroup below this process's own."""

    def __init__(self, limit):
        self.version1 = None
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                self.version1, parent = True, Path("/sys/fs/cgroup/memory") / path.lstrip("/")
            elif not controllers and self.version1 is None:
                self.version1, parent = False, Path("/sys/fs/cgroup") / path.lstrip("/")
        self.path = parent / f"sori-limited-{os.getpid()}"
        self.path.mkdir()
        self.write("memory.limit_in_bytes" if self.version1 else "memory.max", limit)
        swap = self.path / ("memory.memsw.limit_in_bytes" if self.version1 else "memory.swap.max")
        if swap.exists():
            swap.write_text(str(limit if self.version1 else 0))

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def peak(self):
        name = "memory.max_usage_in_bytes" if self.version1 else "memory.peak"
        file = self.path / name
        return int(file.read_text()) if file.exists() else None

    def remove(self):
        self.path.rmdir()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--memory", type=parse_bytes, help="limit of the group, as 1G; without it, none")
    p.add_argument("--evict", type=Path, action="append", default=[])
    p.add_argument("--json", type=Path)
    p.add_argument("command", nargs="+")
    a = p.parse_args()
    for path in a.evict:
        evict(path)
    group = Group(a.memory) if a.memory else None
    start = time.monotonic()
    code = subprocess.Popen(a.command, preexec_fn=group.enter if group else None).wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {"command": a.command, "exit_code": code, "seconds": round(time.monotonic() - start, 1),
              "limit_bytes": a.memory, "evicted": [path.name for path in a.evict],
              "group_peak_bytes": group.peak() if group else None, "major_faults": used.ru_majflt,
              "read_bytes": used.ru_inblock * 512, "peak_resident_bytes": used.ru_maxrss * 1024}
    if group:
        group.remove()
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if a.json:
        a.json.write_text(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
