"""The small random Whisper in bf16 as transformers and bitsandbytes themselves quantise and save it."""
import json
import tempfile

import torch
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig, WhisperForConditionalGeneration

from golden.common import versions, write_tensors
from golden.tiny import build

FORMATS = {
    "nf4": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16),
    "int8": dict(load_in_8bit=True),
}


def quantised(_model):
    with tempfile.TemporaryDirectory() as work:
        build().to(torch.bfloat16).save_pretrained(f"{work}/source")
        for name, options in FORMATS.items():
            network = WhisperForConditionalGeneration.from_pretrained(
                f"{work}/source", quantization_config=BitsAndBytesConfig(**options), dtype=torch.bfloat16, device_map={"": "cpu"})
            network.save_pretrained(f"{work}/{name}")
            with open(f"{work}/{name}/config.json", encoding="utf-8") as file:
                config = json.load(file)["quantization_config"]
            write_tensors(f"tiny_{name}.safetensors", load_file(f"{work}/{name}/model.safetensors"),
                          {"versions": versions("torch", "transformers", "bitsandbytes", "safetensors"), "quantization_config": config,
                           "note": "model.safetensors of tiny_model.safetensors, rounded to bf16, as save_pretrained writes it"})
