"""log_mel.safetensors: short clips against WhisperFeatureExtractor with 80 and 128 mel bins."""
import wave

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

from golden.common import OUT, versions, write_tensors

RATE = 16000
HUMAN = OUT / "clips" / "test_ko.wav"


def read_wav(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(-1), dtype="<i2").astype(np.float32) / 32768


def clips():
    rng = np.random.default_rng(0)
    time = lambda n: np.arange(n) / RATE
    human = read_wav(HUMAN)
    impulse = np.zeros(1000)
    impulse[517] = 1.0
    yield "one_sample", np.array([0.5])
    yield "below_window", rng.normal(0, 0.1, 399)
    yield "one_window", rng.normal(0, 0.1, 400)
    yield "odd_length", rng.normal(0, 0.3, 4001)
    yield "tone", 0.8 * np.sin(2 * np.pi * 440 * time(3200))
    # Noise keeps the empty bins off the 80 dB floor, where float32 rounding of the reference itself is larger than what is tested.
    yield "sweep", 0.5 * np.sin(2 * np.pi * (50 + 8000 * time(6403)) * time(6403)) + rng.normal(0, 0.003, 6403)
    yield "impulse", impulse
    yield "silence", np.zeros(1600)
    yield "quiet", rng.normal(0, 1e-5, 1777)
    yield "clipped", np.clip(rng.normal(0, 2, 2500), -1, 1)
    yield "speech", human[16000:32000]


def log_mel(_model):
    tensors, worst = {}, 0.0
    for name, samples in clips():
        samples = samples.astype(np.float32)
        tensors[f"{name}.samples"] = torch.from_numpy(samples)
        frames = len(samples) // 160 + 4
        for bins in (80, 128):
            extract = WhisperFeatureExtractor(feature_size=bins)
            features = extract(samples, sampling_rate=RATE, return_tensors="np").input_features[0]
            # The same class's float64 path: the difference is the reference's own rounding.
            padded = np.zeros(480000, np.float32)
            padded[:len(samples)] = samples
            exact = extract._np_extract_fbank_features(padded[None], device="cpu")[0]
            difference = np.abs(features - exact).max()
            print(f"  {name} {bins}: {difference:.2e}")
            worst = max(worst, float(difference))
            tensors[f"{name}.mel{bins}"] = torch.from_numpy(features[:, :frames].astype(np.float32))
            tensors[f"{name}.exact{bins}"] = torch.from_numpy(exact[:, :frames].astype(np.float32))
    write_tensors("log_mel.safetensors", tensors, {
        "versions": versions("transformers", "torch", "numpy"), "own_rounding": f"{worst:.3e}",
        "note": "CLIP.samples [n] f32 at 16 kHz; CLIP.melB [B, frames]: the first n / 160 + 4 of the 3000 frames of the padded window; "
                "CLIP.exactB the same from the class's float64 path"})
