#!/usr/bin/env python3
"""Prints the table that closes quickstart.sh, from the results in its work folder.

With --highest-cer, ends with exit code 1 when the CER after training is above it.
"""
import argparse
import json
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--highest-cer", type=float, metavar="PERCENT")
    arguments = parser.parse_args()
    work = arguments.work
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
    highest = arguments.highest_cer
    if highest is not None and not 100 * after["cer"]["rate"] <= highest:  # nor NaN
        sys.exit(f"quickstart: the CER after training is above {highest:g} %, which this corpus and model stay below")


if __name__ == "__main__":
    main()
