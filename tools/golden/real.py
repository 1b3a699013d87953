"""Real Whisper base in f32: logits of the human clip, and greedy transcriptions of clips."""
import json
import subprocess

import numpy as np
import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast

import make_corpus
from golden.audio import HUMAN, RATE, read_wav
from golden.common import OUT, versions, write_json, write_tensors

PROMPT = ["<|startoftranscript|>", "<|ko|>", "<|transcribe|>", "<|notimestamps|>"]
HUMAN_TEXT = "그는 이리저리 피하면서 길 한 옆으로 걸어갔다"
CLIPS, TRIED, LONGEST, MARGIN = 10, 100, 100, 0.01
BEAMS, NGRAM = 5, 3


def load(folder):
    network = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return network, WhisperTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")), WhisperFeatureExtractor(feature_size=80)


def features_of(extract, samples):
    return extract(samples, sampling_rate=RATE, return_tensors="pt").input_features


@torch.no_grad()
def logits(folder):
    network, tokens, extract = load(folder)
    features = features_of(extract, read_wav(HUMAN))
    inputs = tokens.convert_tokens_to_ids(PROMPT) + tokens(" " + HUMAN_TEXT, add_special_tokens=False).input_ids
    out = network(input_features=features, decoder_input_ids=torch.tensor([inputs]), use_cache=False)
    values = out.logits[0]
    columns = torch.cat([torch.arange(0, values.shape[1], 53), values.topk(10).indices.flatten()]).unique()
    rows = torch.arange(0, 1500, 100)
    note = versions("torch", "transformers")
    write_tensors("real_features.safetensors", {"features": features[0]}, {"versions": note, "note": "log-mel of clips/test_ko.wav, [80, 3000]"})
    write_tensors("real_logits.safetensors", {
        "input": torch.tensor(inputs).int(), "columns": columns.int(), "logits": values[:, columns],
        "rows": rows.int(), "states": out.encoder_last_hidden_state[0][rows]},
        {"versions": note, "note": "input [T]; logits [T, columns]: the logits at these token ids; states: the encoder's output at these rows"})


@torch.no_grad()
def transcribe(network, tokens, extract, samples, **rules):
    """Text tokens without prompt and end, whether the end was reached, the smallest distance between the best two logits of a step."""
    out = network.generate(features_of(extract, samples), language="ko", task="transcribe", num_beams=1, do_sample=False, max_new_tokens=128,
                           return_dict_in_generate=True, output_scores=True, **rules)
    end = network.generation_config.eos_token_id
    ids = out.sequences[0].tolist()
    ids = ids[len(PROMPT):] if ids[:1] == tokens.convert_tokens_to_ids(PROMPT[:1]) else ids
    margins = [(best[0] - best[1]).item() for best in (score[0].topk(2).values for score in out.scores)]
    ended = ids[-1] == end
    ids = ids[:ids.index(end)] if end in ids else ids
    return {"ids": ids, "ended": ended, "text": tokens.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            "smallest_margin": min(margins)}


def greedy(folder):
    network, tokens, extract = load(folder)
    clips = OUT / "clips"
    clips.mkdir(parents=True, exist_ok=True)
    for old in clips.glob("*.flac"):
        old.unlink()
    cases = [{"clip": "clips/test_ko.wav", "spoken": HUMAN_TEXT, **transcribe(network, tokens, extract, read_wav(HUMAN))}]
    for utterance in make_corpus.utterances({"train": 0, "dev": 0, "eval": TRIED}, seed=0)["eval"]:
        pcm = make_corpus.speak(utterance.spoken, utterance.rng)
        found = transcribe(network, tokens, extract, np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768)
        if not found["ended"] or len(found["ids"]) > LONGEST or found["smallest_margin"] < MARGIN:
            continue
        name = f"clips/synthetic_{len(cases):02}.flac"
        subprocess.run(["sox", "-D", "-t", "raw", "-r", str(RATE), "-e", "signed-integer", "-b", "16", "-c", "1", "-", str(OUT / name)],
                       input=pcm, check=True)
        cases.append({"clip": name, "spoken": utterance.spoken, **found})
        print(f"  {name}: {len(found['ids'])} tokens, margin {found['smallest_margin']:.3f}")
        if len(cases) == 1 + CLIPS:
            break
    write_json("greedy.json", {
        "versions": versions("torch", "transformers", "tokenizers"), "max_new_tokens": 128, "cases": cases,
        "note": "f32; ids: without prompt and end; smallest_margin: between the best two logits over the steps, after suppression"})


def read_clip(name):
    if name.endswith(".wav"):
        return read_wav(OUT / name)
    raw = subprocess.run(["sox", str(OUT / name), "-t", "raw", "-e", "signed-integer", "-b", "16", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32768


def no_repeats(folder):
    """The clips of greedy.json, with no three tokens in a row written twice."""
    network, tokens, extract = load(folder)
    before = json.loads((OUT / "greedy.json").read_text())["cases"]
    cases = []
    for case in before:
        found = transcribe(network, tokens, extract, read_clip(case["clip"]), no_repeat_ngram_size=NGRAM)
        if found["smallest_margin"] >= MARGIN:
            cases.append({"clip": case["clip"], "changed": found["ids"] != case["ids"], **{key: found[key] for key in ("ids", "ended")}})
    print(f"  {len(cases)} of {len(before)} clips, {sum(c['changed'] for c in cases)} changed")
    write_json("no_repeats.json", {"versions": versions("torch", "transformers"), "max_new_tokens": 128, "no_repeat_ngram_size": NGRAM, "cases": cases,
                                   "note": "f32; ids: without prompt and end; changed: other than in greedy.json; near ties are left out"})


@torch.no_grad()
def search(network, tokens, extract, samples):
    """As transcribe(), by beam search; the score is the mean log-probability of the tokens written."""
    features = features_of(extract, samples).to(network.dtype)
    out = network.generate(features, language="ko", task="transcribe", num_beams=BEAMS, do_sample=False, max_new_tokens=128,
                           return_dict_in_generate=True, output_scores=True)
    end = network.generation_config.eos_token_id
    ids = out.sequences[0].tolist()
    ids = ids[len(PROMPT):] if ids[:1] == tokens.convert_tokens_to_ids(PROMPT[:1]) else ids
    ended = end in ids
    return {"ids": ids[:ids.index(end)] if ended else ids, "ended": ended, "score": out.sequences_scores[0].item()}


def beams(folder):
    """The clips of greedy.json; those that double precision writes otherwise are near ties and left out."""
    network, tokens, extract = load(folder)
    clips = [case["clip"] for case in json.loads((OUT / "greedy.json").read_text())["cases"]]
    found = {clip: search(network, tokens, extract, read_clip(clip)) for clip in clips}
    network = network.double()
    cases = [{"clip": clip, **case} for clip, case in found.items()
             if search(network, tokens, extract, read_clip(clip))["ids"] == case["ids"]]
    print(f"  {len(cases)} of {len(clips)} clips, {sum(len(c['ids']) for c in cases)} tokens")
    write_json("beams.json", {"versions": versions("torch", "transformers"), "max_new_tokens": 128, "num_beams": BEAMS, "cases": cases,
                              "note": "f32; ids: without prompt and end; score: sequences_scores"})
