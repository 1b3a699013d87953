#!/usr/bin/env python3
"""Seconds and memory of a training step, beside transformers + PEFT + bitsandbytes on the same folder; prints JSON.

usage: bench_steps.py --sori BINARY --peer PYTHON MODEL [--method lora|full] [--base model|int8|nf4] [--batch 1] [--steps 5]
                      [--rounds 1] [--only SETTING]... [--without WORD]... [--isa AVX2|AVX512_CORE]

Windows of 30 s of noise, 32 label tokens, LoRA r=32 on q_proj and v_proj, AdamW in f32. --method full: all weights learn instead, in bf16; the
peer's with AdamW states in bf16, sori's in `sori experiment memory`: 8-bit AdamW fused into backward, sound read. Each setting is a process of its own, sori's
and the peer's in turn, as many times as --rounds says; a figure is the median of its steps after the first of each process, so the peer's
compiling is not counted. Settings of both: products in f32 or bf16 (autocast for the peer), layers recomputed or not; of the peer also
torch.compile. --only keeps the settings that begin so ("peer bf16", "sori"), --without leaves out those that hold a word ("compiled"). On a
quantised base sori's products are also those of codes (int8_bf16). --isa limits both to the instructions of smaller CPUs (MKL may
obey on Intel's alone). Memory is the process's own peak (VmHWM): of the whole process for sori, and of the steps after the first alone for the peer, whose loading and
compiling need more.
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

RANK, TOKENS = 32, 32
TARGETS = ["q_proj", "v_proj"]
ISA = {"AVX2": ("AVX2", "avx2"), "AVX512_CORE": ("AVX512", "avx512")}  # what MKL and PyTorch call them


def peer_step(model_folder, full, base, batch, steps, compute, recompute, compiled):
    """Run by the peer's Python, in a process of its own."""
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import BitsAndBytesConfig, WhisperForConditionalGeneration

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[compute]
    quantised = {"int8": lambda: BitsAndBytesConfig(load_in_8bit=True),
                 "nf4": lambda: BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                                   bnb_4bit_compute_dtype=dtype)}.get(base)
    extra = {"quantization_config": quantised(), "device_map": {"": "cpu"}} if quantised else {}
    model = WhisperForConditionalGeneration.from_pretrained(model_folder, dtype=dtype, **extra)
    model.config.use_cache = False
    checkpointing = {"use_reentrant": False}
    if quantised:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=recompute, gradient_checkpointing_kwargs=checkpointing)
    elif recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=checkpointing)
    if not full:
        model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, bias="none")).base_model
    model.train()
    if compiled:
        model = torch.compile(model)
    learning = [w for w in model.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    torch.manual_seed(0)
    features = torch.randn(batch, model.config.num_mel_bins, 3000, dtype=dtype)
    labels = torch.randint(100, 50000, (batch, TOKENS))
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=compute == "bf16"):
            loss = model(input_features=features, labels=labels).loss
        loss.backward()
        if not full:  # a fused step cannot clip either
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1:
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here: neither loading nor compiling is in it
    peak = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds[1:], "first_seconds": seconds[0], "peak_resident_bytes": peak * 1024, "threads": torch.get_num_threads()}


def settings(full, base):
    """Their names and how to run them: who, compute type, layers recomputed, compiled."""
    found = {}
    for compute in ("bf16",) if full else ("f32", "bf16"):
        for recompute in (False, True):
            kept = "layers recomputed" if recompute else "everything kept"
            found[f"sori {compute}, {kept}"] = ("sori", compute, recompute, False)
            if compute == "bf16" and base != "model" and not full:
                found[f"sori int8_bf16, {kept}"] = ("sori", "int8_bf16", recompute, False)
            found[f"peer {compute}, {kept}"] = ("peer", compute, recompute, False)
            found[f"peer {compute}, {kept}, compiled"] = ("peer", compute, recompute, True)
    return found


def environment(args):
    env = dict(os.environ, OMP_NUM_THREADS=str(os.cpu_count()), HF_HUB_OFFLINE="1")
    if args.isa:
        env["ONEDNN_MAX_CPU_ISA"] = args.isa
        env["MKL_ENABLE_INSTRUCTIONS"], env["ATEN_CPU_CAPABILITY"] = ISA[args.isa]
    return env


def last_words(done):
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]


def run_sori_full(args, recompute):
    """args.model says which size; its tokenizer makes the labels."""
    width, layers = (json.loads((args.model / "config.json").read_text())[key] for key in ("d_model", "decoder_layers"))
    size = {(384, 4): "tiny", (512, 6): "base", (768, 12): "small", (1024, 24): "medium", (1280, 32): "large-v3", (1280, 4): "large-v3-turbo"}[width, layers]
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "memory.json"
        words = [args.sori, "experiment", "memory", "--size", size, "--tokenizer", args.model, "--output-dir", Path(work) / "runs", "--rows", "full",
                 "--batch", str(args.batch), "--steps", str(args.steps), "--json", out]
        words += [] if recompute else ["--keep-everything"]
        done = subprocess.run(words, env=environment(args), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return {"failed": last_words(done)}
        row = json.loads(out.read_text())["rows"][0]
    return {"seconds": [row["seconds_per_step"]], "peak_resident_bytes": row["peak_resident_bytes"]}


def run_sori(args, compute, recompute):
    if args.method == "full":
        return run_sori_full(args, recompute)
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "bench.json"
        words = [args.sori, "bench", "--model", args.model, "--method", "lora", "--lora-r", str(RANK), "--target-modules", ",".join(TARGETS),
                 "--base", args.base, "--batch", str(args.batch), "--label-tokens", str(TOKENS), "--compute", compute, "--steps", str(args.steps),
                 "--json", out] + (["--gradient-checkpointing"] if recompute else [])
        env = environment(args) | {"XDG_CACHE_HOME": work}  # rates of such runs are not this machine's
        done = subprocess.run(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return {"failed": last_words(done)}
        step = json.loads(out.read_text())["steps"][0]
    return {"seconds": [step["seconds_per_step"]], "way": step["way"], "work": step["work"], "share_of_ceiling": step["share_of_ceiling"],
            "peak_resident_bytes": step["peak_resident_bytes"]}


def run_peer(args, compute, recompute, compiled):
    asked = {"model_folder": str(args.model), "full": args.method == "full", "base": args.base, "batch": args.batch, "steps": args.steps, "compute": compute,
             "recompute": recompute, "compiled": compiled}
    env = environment(args) | {"OMP_PROC_BIND": "true"}
    done = subprocess.run([args.peer, __file__, "--as-peer", json.dumps(asked)], env=env, capture_output=True, text=True)
    if done.returncode:
        return {"failed": last_words(done)}
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs):
    good = [run for run in runs if "failed" not in run]
    if not good:
        return {"failed": runs[0]["failed"]}
    last = {key: value for key, value in good[-1].items() if key not in ("seconds", "peak_resident_bytes")}
    return {"seconds_per_step": statistics.median(s for run in good for s in run["seconds"]),
            "peak_resident_bytes": max(run["peak_resident_bytes"] for run in good), "failed_rounds": len(runs) - len(good)} | last | {"seconds": [run["seconds"] for run in good]}


def ratios(rows):
    """Our fastest step against the peer's fastest and against its leanest."""
    side = lambda who: [row for name, row in rows.items() if name.startswith(who) and "failed" not in row]
    if not side("sori") or not side("peer"):
        return {}
    ours = min(side("sori"), key=lambda row: row["seconds_per_step"])
    fastest = min(side("peer"), key=lambda row: row["seconds_per_step"])
    leanest = min(side("peer"), key=lambda row: row["peak_resident_bytes"])
    return {"against_fastest": fastest["seconds_per_step"] / ours["seconds_per_step"],
            "against_leanest": leanest["seconds_per_step"] / ours["seconds_per_step"]}


def main():
    if sys.argv[1:2] == ["--as-peer"]:
        print(json.dumps(peer_step(**json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder in the Hugging Face layout; its shape is what counts")
    parser.add_argument("--sori", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--base", choices=["model", "int8", "nf4"], default="model")
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--isa", choices=ISA)
    args = parser.parse_args()

    chosen = {name: how for name, how in settings(args.method == "full", args.base).items()
              if (not args.only or any(name.startswith(only) for only in args.only)) and not any(word in name for word in args.without)}
    runs = {name: [] for name in chosen}
    before = os.getloadavg()
    for _ in range(args.rounds):
        for name, (who, *how) in chosen.items():
            run = run_sori(args, *how[:2]) if who == "sori" else run_peer(args, *how)
            runs[name].append(run)
            print(name, run, file=sys.stderr)
    rows = {name: summary(found) for name, found in runs.items()}
    versions = subprocess.run([args.peer, "-c", "import bitsandbytes as b, peft as p, torch as t, transformers as f;"
                               "print('torch', t.__version__, 'transformers', f.__version__, 'peft', p.__version__, 'bitsandbytes', b.__version__)"],
                              capture_output=True, text=True).stdout.strip()
    print(json.dumps({"model": args.model.name, "method": args.method, "base": args.base, "batch": args.batch, "steps": args.steps, "rounds": args.rounds,
                      "isa": args.isa, "cpus": os.cpu_count(), "peer": versions, "load_before": before, "load_after": os.getloadavg(),
                      "rows": rows, "ratios": ratios(rows)}, indent=1))


if __name__ == "__main__":
    main()
