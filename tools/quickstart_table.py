#!/usr/bin/env python3
"""Prints the table that closes quickstart.sh, from the results in its work folder.

usage: quickstart_table.py WORK
"""
import json
import sys
from pathlib import Path


def main():
    work = Path(sys.argv[1])
    before, train, after = (json.loads((work / f"{name}.json").read_text()) for name in ("before", "train", "after"))
    rows = [
        ("CER before", f"{100 * before['cer']['rate']:.1f} %"),
        ("CER after", f"{100 * after['cer']['rate']:.1f} %"),
        ("seconds per step", f"{train['seconds_per_step']:.2f}"),
        ("peak memory", f"{train['peak_resident_bytes'] / 2**30:.2f} GiB"),
        ("adapter", str(work / "run")),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


if __name__ == "__main__":
    main()
