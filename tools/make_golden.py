#!/usr/bin/env python3
"""Makes the golden files of tests/golden from the reference implementations; needed only to renew them.

usage: make_golden.py --model HF_FOLDER [NAME...]

HF_FOLDER: Whisper base in Hugging Face form. NAME: the files to make, all by default. Needs torch, transformers, tokenizers, peft,
bitsandbytes, safetensors and jiwer; their versions are written into each file. The same versions give the same values on the same kind
of CPU.
"""
import argparse
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything lies in the folder given; read when the packages are imported

sys.path.insert(0, str(Path(__file__).resolve().parent))
from golden import audio, optimizer, quant, quantised, real, text, tiny  # noqa: E402

FILES = {
    "tokenizer": text.tokenizer,
    "error_rates": text.error_rates,
    "log_mel": audio.log_mel,
    "tiny_model": tiny.model,
    "tiny_forward": tiny.forward,
    "tiny_gradients": tiny.gradients,
    "tiny_adapter": tiny.adapter,
    "tiny_lora_ga": tiny.lora_ga,
    "tiny_steps": tiny.steps,
    "tiny_adapter_steps": tiny.adapter_steps,
    "adamw_8bit": optimizer.adamw_8bit,
    "quant": quant.quant,
    "fp8": quant.fp8,
    "quantised": quantised.quantised,
    "real_logits": real.logits,
    "greedy": real.greedy,
    "beams": real.beams,
    "no_repeats": real.no_repeats,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FILES))
    args = parser.parse_args()
    if unknown := set(args.names) - set(FILES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in args.names or FILES:
        FILES[name](args.model)


if __name__ == "__main__":
    main()
