#!/usr/bin/env python3
"""Compares sori with the reference programs themselves, where Python has them. Exit code 77: a package is missing, nothing checked.

usage: oracle_check.py adapter FOLDER         transformers + PEFT load base/ and adapter/ of FOLDER and must give the logits of
                                              logits.safetensors (features [mel, 2S], input [T], logits [T, V]) within 1e-3
       oracle_check.py quantised FOLDER       transformers + compressed-tensors load base/ of FOLDER, which sori quantised, and must give those
                                              logits too
       oracle_check.py text SORI CT2_FOLDER WAV
                                              the untuned model's text of WAV must be CTranslate2's own on the same folder
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED, TOLERANCE = 77, 1e-3
PROMPT = ["<|startoftranscript|>", "<|ko|>", "<|transcribe|>", "<|notimestamps|>"]


def check_adapter(folder):
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import WhisperForConditionalGeneration

    case = load_file(folder / "logits.safetensors")
    base = WhisperForConditionalGeneration.from_pretrained(folder / "base", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folder / "adapter").eval()
    # An adapter whose tensors PEFT did not recognise would leave the base unchanged, so the two must differ.
    call = dict(input_features=case["features"][None], decoder_input_ids=case["input"][None].long(), use_cache=False)
    with torch.no_grad():
        tuned = model(**call).logits[0]
        with model.disable_adapter():
            untuned = model(**call).logits[0]
    difference = (tuned - case["logits"]).abs().max().item()
    effect = (tuned - untuned).abs().max().item()
    print(f"largest difference of logits {difference:.2e}, allowed {TOLERANCE:.0e}; the adapter changes them by {effect:.2e}")
    return difference <= TOLERANCE < effect


def check_quantised(folder):
    import compressed_tensors  # noqa: F401: transformers asks for it later
    import torch
    from safetensors.torch import load_file
    from transformers import WhisperForConditionalGeneration

    case = load_file(folder / "logits.safetensors")
    model, about = WhisperForConditionalGeneration.from_pretrained(folder / "base", dtype=torch.float32, output_loading_info=True)
    with torch.no_grad():
        logits = model(input_features=case["features"][None], decoder_input_ids=case["input"][None].long(), use_cache=False).logits[0]
    difference = (logits - case["logits"]).abs().max().item()
    print(f"largest difference of logits {difference:.2e}, allowed {TOLERANCE:.0e}; {about}")
    return difference <= TOLERANCE and not about["missing_keys"] and not about["unexpected_keys"]


def reference_text(folder, wav):
    import ctranslate2
    import numpy as np
    from transformers import WhisperFeatureExtractor, WhisperTokenizerFast

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
    from golden.audio import RATE, read_wav

    features = WhisperFeatureExtractor()(read_wav(wav), sampling_rate=RATE, return_tensors="np").input_features.astype(np.float32)
    tokens = WhisperTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    model = ctranslate2.models.Whisper(str(folder), compute_type="float32")
    found = model.generate(ctranslate2.StorageView.from_array(features), [tokens.convert_tokens_to_ids(PROMPT)], beam_size=1)
    return tokens.decode(found[0].sequences_ids[0], skip_special_tokens=True).strip()


def check_text(sori, folder, wav):
    expected = reference_text(folder, wav)
    with tempfile.TemporaryDirectory() as work:
        run = lambda *words: subprocess.run([sori, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        run("import", folder, Path(work) / "model")
        run("transcribe", "--model", Path(work) / "model", "--compute", "f32", "--json", Path(work) / "out.json", wav)
        text = json.loads((Path(work) / "out.json").read_text())[0]["text"].strip()
    print(f"CTranslate2: {expected}\nsori:        {text}")
    return text == expected


def main():
    checks = {"adapter": (1, lambda folder: check_adapter(Path(folder))),
              "quantised": (1, lambda folder: check_quantised(Path(folder))),
              "text": (3, lambda sori, folder, wav: check_text(sori, Path(folder), Path(wav)))}
    count, check = checks.get(sys.argv[1] if len(sys.argv) > 1 else "", (-1, None))
    if len(sys.argv) - 2 != count:
        sys.exit(__doc__)
    try:
        good = check(*sys.argv[2:])
    except ImportError as missing:
        print(f"skipped: {missing}")
        sys.exit(SKIPPED)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
