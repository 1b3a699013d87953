#!/usr/bin/env python3
"""Seconds an utterance of a whole evaluation, beside faster-whisper (CTranslate2) on the same model and recordings; prints JSON.

usage: bench_decode.py --sori BINARY --peer PYTHON MODEL DATA [--split eval_clean] [--runs 3] [--context full,bucket,exact]
                       [--base model,int8@int8_bf16,nf4] [--batch 8] [--exactly TOKENS]

MODEL: a tuned model in the Hugging Face layout (`sori merge`), which CTranslate2's own converter turns into its format. DATA: made by
`sori prepare`. Greedy, no timestamps, at most 128 new tokens, both in turn: the peer one utterance after the other and in batches of 16,
in int8; sori --batch side by side, for each context and base (@: its --compute, auto without). --exactly: so many new tokens of each utterance, <|endoftext|> being suppressed
on both sides, as for random weights, whose texts have no CER. Loading is not counted, log-mel is. Each figure is the median of the runs; CER is
over letters and digits. Memory is the process's peak (VmHWM): of all of it for sori, for the peer also of what follows loading. The peer's Python
needs faster-whisper, transformers and torch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

NEW_TOKENS, RATE, END = 128, 16000, "<|endoftext|>"


def utterances(data, split):
    """Rows of the split, their folder and language; only data that the peer's side can read."""
    about = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (data / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
    if len(about["sources"]) != 1 or any(not row["audio_filepath"].endswith(".pcm") or "offset" in row for row in rows):
        sys.exit("bench_decode: the data set must be of one source of whole .pcm files of 16 kHz, as tools/make_corpus.py makes them")
    return rows, Path(about["sources"][0]["root"]), about["language"]


def letters(text):
    return [c for c in unicodedata.normalize("NFC", text).casefold() if c.isalnum()]


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def peak_resident():
    return 1024 * next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))


def peer(model_folder, sounds, language, batch, exactly, end):
    """Run by the peer's Python, in a process of its own."""
    import numpy as np
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    waves = [np.fromfile(path, dtype="<i2").astype(np.float32) / 32768 for path in sounds]
    model = WhisperModel(model_folder, device="cpu", compute_type="int8", cpu_threads=os.cpu_count())
    options = {"language": language, "beam_size": 1, "without_timestamps": True, "max_new_tokens": exactly or NEW_TOKENS, "temperature": 0.0}
    if exactly:
        options |= {"suppress_tokens": [-1, end], "no_speech_threshold": None, "log_prob_threshold": None, "compression_ratio_threshold": None}
    reader = BatchedInferencePipeline(model) if batch > 1 else model
    if batch > 1:
        options |= {"batch_size": batch, "vad_filter": False}
    else:
        options |= {"condition_on_previous_text": False}
    loaded = peak_resident()
    Path("/proc/self/clear_refs").write_text("5")
    texts, start = [], time.perf_counter()
    if batch > 1:  # its batches are made of pieces of one recording
        joined, pieces, at = np.concatenate(waves), [], 0
        for wave in waves:
            pieces.append({"start": at / RATE, "end": (at + len(wave)) / RATE})
            at += len(wave)
        segments, _ = reader.transcribe(joined, clip_timestamps=pieces, **options)
        texts = [segment.text for segment in segments]
    else:
        for wave in waves:
            segments, _ = reader.transcribe(wave, **options)
            texts.append("".join(segment.text for segment in segments))
    seconds, after = time.perf_counter() - start, peak_resident()
    return {"seconds_per_utterance": seconds / len(waves), "peak_resident_bytes": max(loaded, after), "peak_after_loading_bytes": after, "texts": texts}


def run_peer(args, folder, rows, root, language, batch):
    asked = {"model_folder": str(folder), "sounds": [str(root / row["audio_filepath"]) for row in rows], "language": language, "batch": batch,
             "exactly": args.exactly, "end": end_of_text(args.model)}
    done = subprocess.run([args.peer, __file__, "--as-peer"], input=json.dumps(asked), text=True, capture_output=True, env=dict(os.environ, HF_HUB_OFFLINE="1"))
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    texts = found.pop("texts")
    if len(texts) != len(rows) or args.exactly:
        return found | {"cer": None}
    errors = sum(distance(letters(row["text"]), letters(text)) for row, text in zip(rows, texts))
    return found | {"cer": errors / sum(len(letters(row["text"])) for row in rows)}


def end_of_text(model):
    vocabulary = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    return next(token["id"] for token in vocabulary["added_tokens"] if token["content"] == END)


def sori_model(args, base, work):
    """The folder that sori reads: quantised, and where --exactly says so, without an end."""
    folder = args.model if base == "model" else work / base
    if not folder.exists():
        subprocess.run([args.sori, "quantize", args.model, folder, "--base", base], check=True, stdout=sys.stderr)
    endless = work / f"endless-{base}"
    if not args.exactly or endless.exists():
        return endless if args.exactly else folder
    endless.mkdir()
    for file in folder.iterdir():
        (endless / file.name).symlink_to(file.resolve())
    path = endless / "generation_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["suppress_tokens"] = [*(config.get("suppress_tokens") or []), end_of_text(args.model)]
    path.unlink()
    path.write_text(json.dumps(config), encoding="utf-8")
    return endless


def run_sori(args, folder, compute, context):
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "result.json"
        subprocess.run([args.sori, "evaluate", "--model", folder, "--data", args.data, "--split", args.split, "--max-new-tokens", str(args.exactly or NEW_TOKENS), "--batch", str(args.batch), "--compute", compute, "--audio-context", context, "--json", out],
                       check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    return {"seconds_per_utterance": result["seconds_per_utterance"], "cer": None if args.exactly else result["cer"]["rate"],
            "peak_resident_bytes": result["peak_resident_bytes"], "ready_seconds": result["ready_seconds"], "compute": result["judge"]["compute"]}


def main():
    if sys.argv[1:2] == ["--as-peer"]:
        print(json.dumps(peer(**json.loads(sys.stdin.read()))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sori", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--split", default="eval_clean")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--context", default="full,bucket,exact")
    parser.add_argument("--base", default="model")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--exactly", type=int, default=0)
    args = parser.parse_args()
    rows, root, language = utterances(args.data, args.split)
    rows.sort(key=lambda row: -row["duration"])  # batches of like lengths; one by one it makes no difference
    runs = {}
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "ct2"
        convert = "import sys; from ctranslate2.converters import TransformersConverter as C; C(sys.argv[1], copy_files=['tokenizer.json', 'preprocessor_config.json']).convert(sys.argv[2], quantization='int8')"
        subprocess.run([args.peer, "-c", convert, args.model, folder], check=True, stdout=sys.stderr)
        bases = {way: way.partition("@") for way in args.base.split(",")}
        folders = {way: (sori_model(args, base, Path(work)), compute or "auto") for way, (base, _, compute) in bases.items()}
        for _ in range(args.runs):
            ways = {f"sori, {base}, {context}": (lambda base=base, context=context: run_sori(args, *folders[base], context))
                    for base in folders for context in args.context.split(",")}
            ways |= {f"faster-whisper int8, batch {batch}": (lambda batch=batch: run_peer(args, folder, rows, root, language, batch)) for batch in ((1,) if args.exactly else (1, 16))}
            for name, run in ways.items():
                runs.setdefault(name, []).append(run())
                print(name, runs[name][-1], file=sys.stderr)
    table = {name: found[-1] | {"seconds_per_utterance": statistics.median(run["seconds_per_utterance"] for run in found),
                                "runs": [run["seconds_per_utterance"] for run in found]} for name, found in runs.items()}
    best = min(row["seconds_per_utterance"] for name, row in table.items() if not name.startswith("sori"))
    ratios = {name: best / row["seconds_per_utterance"] for name, row in table.items() if name.startswith("sori")}
    versions = subprocess.run([args.peer, "-c", "import ctranslate2 as c, faster_whisper as f; print('faster-whisper', f.__version__, 'CTranslate2', c.__version__)"],
                              capture_output=True, text=True).stdout.strip()
    print(json.dumps({"utterances": len(rows), "split": args.split, "exactly": args.exactly, "batch": args.batch, "cpus": os.cpu_count(), "peer": versions,
                      "load_before": before, "load_after": os.getloadavg(), "rows": table, "times_faster_than_peer": ratios}, indent=1))


if __name__ == "__main__":
    main()
