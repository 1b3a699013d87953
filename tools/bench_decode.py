#!/usr/bin/env python3
"""Seconds an utterance of a whole evaluation, beside faster-whisper (CTranslate2) on the same model and recordings; prints JSON.

usage: bench_decode.py --sori BINARY --peer PYTHON MODEL DATA [--split eval_clean] [--runs 3] [--compute auto|f32|bf16]
                       [--context full,bucket,exact]

MODEL: a tuned model in the Hugging Face layout (`sori merge`), which CTranslate2's own converter turns into its format. DATA: made by
`sori prepare`. Greedy, no timestamps, at most 128 new tokens, both in turn: the peer one utterance after the other and in batches of 16,
in int8; sori 8 side by side, for each context. Loading is not counted, log-mel is. Each figure is the median of the runs; CER is over letters
and digits. The peer's Python needs faster-whisper, transformers and torch.
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

NEW_TOKENS, RATE = 128, 16000


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


def peer(model_folder, sounds, language, batch):
    """Run by the peer's Python, in a process of its own."""
    import numpy as np
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    waves = [np.fromfile(path, dtype="<i2").astype(np.float32) / 32768 for path in sounds]
    model = WhisperModel(model_folder, device="cpu", compute_type="int8", cpu_threads=os.cpu_count())
    options = {"language": language, "beam_size": 1, "without_timestamps": True, "max_new_tokens": NEW_TOKENS, "temperature": 0.0}
    reader = BatchedInferencePipeline(model) if batch > 1 else model
    if batch > 1:
        options |= {"batch_size": batch, "vad_filter": False}
    else:
        options |= {"condition_on_previous_text": False}
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
    return {"seconds_per_utterance": (time.perf_counter() - start) / len(waves), "texts": texts}


def run_peer(args, folder, rows, root, language, batch):
    asked = {"model_folder": str(folder), "sounds": [str(root / row["audio_filepath"]) for row in rows], "language": language, "batch": batch}
    done = subprocess.run([args.peer, __file__, "--as-peer"], input=json.dumps(asked), text=True, capture_output=True, env=dict(os.environ, HF_HUB_OFFLINE="1"))
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    texts = found.pop("texts")
    if len(texts) != len(rows):
        return found | {"cer": None}
    errors = sum(distance(letters(row["text"]), letters(text)) for row, text in zip(rows, texts))
    return found | {"cer": errors / sum(len(letters(row["text"])) for row in rows)}


def run_sori(args, context):
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "result.json"
        subprocess.run([args.sori, "evaluate", "--model", args.model, "--data", args.data, "--split", args.split, "--max-new-tokens", str(NEW_TOKENS), "--compute", args.compute, "--audio-context", context, "--json", out],
                       check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    return {"seconds_per_utterance": result["seconds_per_utterance"], "cer": result["cer"]["rate"]}


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
    parser.add_argument("--compute", default="auto")
    parser.add_argument("--context", default="full,bucket,exact")
    args = parser.parse_args()
    rows, root, language = utterances(args.data, args.split)
    rows.sort(key=lambda row: -row["duration"])  # batches of like lengths; one by one it makes no difference
    runs = {}
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "ct2"
        convert = "import sys; from ctranslate2.converters import TransformersConverter as C; C(sys.argv[1], copy_files=['tokenizer.json', 'preprocessor_config.json']).convert(sys.argv[2], quantization='int8')"
        subprocess.run([args.peer, "-c", convert, args.model, folder], check=True, stdout=sys.stderr)
        for _ in range(args.runs):
            ways = {f"sori, {context}": (lambda context=context: run_sori(args, context)) for context in args.context.split(",")}
            ways |= {f"faster-whisper int8, batch {batch}": (lambda batch=batch: run_peer(args, folder, rows, root, language, batch)) for batch in (1, 16)}
            for name, run in ways.items():
                runs.setdefault(name, []).append(run())
                print(name, runs[name][-1], file=sys.stderr)
    table = {name: {"seconds_per_utterance": statistics.median(run["seconds_per_utterance"] for run in found), "cer": found[-1]["cer"],
                    "runs": [run["seconds_per_utterance"] for run in found]} for name, found in runs.items()}
    best = min(row["seconds_per_utterance"] for name, row in table.items() if not name.startswith("sori"))
    ratios = {name: best / row["seconds_per_utterance"] for name, row in table.items() if name.startswith("sori")}
    versions = subprocess.run([args.peer, "-c", "import ctranslate2 as c, faster_whisper as f; print('faster-whisper', f.__version__, 'CTranslate2', c.__version__)"],
                              capture_output=True, text=True).stdout.strip()
    print(json.dumps({"utterances": len(rows), "split": args.split, "compute": args.compute, "cpus": os.cpu_count(), "peer": versions,
                      "load_before": before, "load_after": os.getloadavg(), "rows": table, "times_faster_than_peer": ratios}, indent=1))


if __name__ == "__main__":
    main()
