#!/usr/bin/env python3
"""Time and memory of quantising a model folder to nf4, beside transformers + bitsandbytes on the same folder; prints JSON.

usage: bench_quantise.py --sori BINARY --peer PYTHON MODEL [--runs 3] [--work FOLDER]

Each run is a process of its own, sori and the peer in turn: first with the folder's pages dropped from the page cache (cold), then with
all of them in it (warm). sori quantize writes the quantised folder and syncs it; the peer, whose Python must have torch, transformers
and bitsandbytes, only loads and quantises (from_pretrained). Both quantise the linear layers and leave the embedding as it is. seconds:
of the process; load_s: of from_pretrained alone, so without starting Python. Memory is sampled every 10 ms; resident includes what is
mapped of the model's files.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = """
import json, sys, time
import torch
from transformers import BitsAndBytesConfig, WhisperForConditionalGeneration
quant = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
start = time.perf_counter()
model = WhisperForConditionalGeneration.from_pretrained(sys.argv[1], dtype=torch.bfloat16, quantization_config=quant, device_map={"": "cpu"})
load = time.perf_counter() - start
weight = model.model.encoder.layers[0].fc1.weight
assert weight.dtype == torch.uint8 and weight.numel() * 2 == model.config.d_model * model.config.encoder_ffn_dim
print(json.dumps({"load_s": load}))
"""


def files_of(folder):
    return [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]


def drop_pages(folder):
    os.sync()  # only clean pages can be dropped
    for path in files_of(folder):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_pages(folder):
    for path in files_of(folder):
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


def memory_of(pid):
    """(RssAnon, VmHWM) in bytes, zeros once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines)
    return tuple(int(found.get(key, "0 kB").split()[0]) * 1024 for key in ("RssAnon", "VmHWM"))


def measure(words):
    start, before = time.perf_counter(), os.times()
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    private = resident = 0
    while child.poll() is None:
        private, resident = map(max, (private, resident), memory_of(child.pid))
        time.sleep(0.01)
    seconds, after = time.perf_counter() - start, os.times()
    if child.returncode:
        sys.exit(f"exit code {child.returncode}: {' '.join(map(str, words))}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    result = {"seconds": seconds, "cpu_s": cpu, "peak_private_bytes": private, "peak_resident_bytes": resident}
    words = child.stdout.read()
    return result | (json.loads(words) if words.startswith("{") else {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--sori", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", help="folder for what sori writes; a temporary one by default")
    args = parser.parse_args()

    versions = subprocess.run([args.peer, "-c", "import bitsandbytes as b, torch as t, transformers as f;"
                               "print('torch', t.__version__, 'transformers', f.__version__, 'bitsandbytes', b.__version__)"],
                              check=True, capture_output=True, text=True).stdout.strip()
    result = {"model": args.model.name, "bytes": sum(path.stat().st_size for path in args.model.rglob("*.safetensors")),
              "cpus": os.cpu_count(), "peer": versions, "load_before": os.getloadavg(), "runs": []}
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        commands = {"sori": [args.sori, "quantize", args.model, Path(work) / "nf4", "--base", "nf4", "--embedding", "bf16", "--overwrite"],
                    "peer": [args.peer, "-c", PEER, args.model]}
        for cache, prepare in (("cold", drop_pages), ("warm", read_pages)):
            for _ in range(args.runs):
                for name, words in commands.items():
                    prepare(args.model)
                    result["runs"].append({"program": name, "cache": cache} | measure(words))
                    print(result["runs"][-1], file=sys.stderr)
    result["load_after"] = os.getloadavg()

    def middle(program, cache, key):
        return statistics.median(run[key] for run in result["runs"] if (run["program"], run["cache"]) == (program, cache))

    for cache in ("cold", "warm"):
        ours = middle("sori", cache, "seconds")
        result[cache] = {"sori_s": ours, "peer_load_s": middle("peer", cache, "load_s"), "peer_s": middle("peer", cache, "seconds")}
        result[cache]["times_faster"] = result[cache]["peer_load_s"] / ours
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
