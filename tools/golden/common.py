"""What every golden file shares: where it lies, the versions in it, the limit on its size."""
import importlib.metadata
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "golden"
LIMIT = 1_000_000  # bytes

torch.manual_seed(0)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def versions(*packages):
    return {name: importlib.metadata.version(name) for name in packages}


def write_json(name, value):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    report(name)


def write_tensors(name, tensors, about):
    """about: what the file says of itself, as one metadata entry: safetensors writes several in a random order."""
    OUT.mkdir(parents=True, exist_ok=True)
    values = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(values, str(OUT / name), {"about": json.dumps(about)})
    (OUT / name).chmod(0o644)
    report(name)


def report(name):
    size = (OUT / name).stat().st_size
    print(f"{name}: {size:,} bytes")
    if size >= LIMIT:
        raise SystemExit(f"{name} is larger than {LIMIT:,} bytes")
