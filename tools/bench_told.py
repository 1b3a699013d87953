#!/usr/bin/env python3
"""What `sori plan` says a run will take, beside what it takes; prints JSON.

usage: bench_told.py --sori BINARY [--model MODEL --data DATA] [--steps 3]

First `sori bench --size base`, in bf16, and on an int8 base in int8_bf16: the rates that plans are told from. Then steps of six other
shapes and methods, each planned and then measured by `sori bench`, whose rates are kept apart. With MODEL and DATA (made by `sori prepare`) two short
trainings as well: all their steps, and an utterance of the evaluation at their end. Times of f32 machines are not asked for.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RATES = ["--compute bf16", "--base int8 --compute int8_bf16"]
STEPS = ["--size tiny --compute bf16", "--size base --method full --compute bf16", "--size base --base nf4 --gradient-checkpointing --compute bf16",
         "--size base --target-scope decoder --compute bf16", "--size small --compute bf16", "--size small --base int8 --compute int8_bf16"]
RUNS = ["--base nf4 --compute bf16", "--method full --compute bf16"]
LENGTH = "--per-device-train-batch-size 4 --max-steps 60 --max-eval-samples 100"


def sori(args, cache, verb, words):
    """Its result, as --json writes it."""
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "result.json"
        done = subprocess.run([args.sori, verb, *words, "--json", out], env=dict(os.environ, XDG_CACHE_HOME=str(cache)), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"sori {verb} {' '.join(map(str, words))}: {done.stderr}")
        return json.loads(out.read_text())


def row(what, told, measured):
    print(what, told, measured, file=sys.stderr)
    return {"what": what, "told_seconds": told, "measured_seconds": measured, "told_over_measured": told / measured}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sori", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    rows, before = [], os.getloadavg()
    with tempfile.TemporaryDirectory() as work:
        rates, apart = Path(work) / "rates", Path(work) / "apart"
        for words in RATES:
            sori(args, rates, "bench", ["--size", "base", *words.split(), "--steps", str(args.steps)])
        for words in STEPS:
            told = sori(args, rates, "plan", [*words.split(), "--train-batch-size", "1", "--label-tokens", "32"])["times"]["seconds_per_step"]
            step = sori(args, apart, "bench", [*words.split(), "--train-batch-size", "1", "--label-tokens", "32", "--steps", str(args.steps)])["steps"][0]
            rows.append(row(f"a step, {words}", told, step["seconds_per_step"]))
        for number, words in enumerate(RUNS if args.data else []):
            run = ["--model", args.model, "--data", args.data, *words.split(), *LENGTH.split()]
            told = sori(args, rates, "plan", run)["times"]
            made = sori(args, rates, "train", [*run, "--output-dir", Path(work) / f"run-{number}"])
            rows.append(row(f"all steps, {words} {LENGTH}", told["run_seconds"], sum(made["step_seconds"])))
            rows.append(row(f"an utterance judged, {words}", told["seconds_per_judged_utterance"], made["eval"]["seconds_per_utterance"]))
    print(json.dumps({"rates": RATES, "cpus": os.cpu_count(), "load_before": before, "load_after": os.getloadavg(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
