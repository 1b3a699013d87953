"""A small random Whisper: its weights, logits, gradients and ten steps of training, for utterances of different lengths.

Each utterance is run by itself with exactly its own number of encoder positions S: the reference accepts one S only, so its
position table is cut to S for the time of the call. A batch's loss is the sum over utterances divided by all target tokens.
"""
import contextlib
import json

import torch
from peft import LoraConfig, LoraGAConfig, get_peft_model, preprocess_loraga
from peft.optimizers import create_loraplus_optimizer
from peft.utils import get_peft_model_state_dict
from torch.nn.functional import cross_entropy
from transformers import WhisperConfig, WhisperForConditionalGeneration, get_linear_schedule_with_warmup

from golden.common import OUT, versions, write_json, write_tensors

CONFIG = dict(vocab_size=211, num_mel_bins=8, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
              decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=24, max_target_positions=20,
              dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, encoder_layerdrop=0.0, decoder_layerdrop=0.0, activation_function="gelu",
              pad_token_id=200, bos_token_id=200, eos_token_id=200, decoder_start_token_id=201, suppress_tokens=None,
              begin_suppress_tokens=None, tie_word_embeddings=True, scale_embedding=False)
PROMPT, END, IGNORED = [201, 202, 203, 204], 200, -100
LENGTHS = [(24, 7), (13, 12), (19, 5)]  # (S, T) of each utterance: encoder positions, decoder tokens
LORA = dict(r=4, lora_alpha=8, lora_dropout=0.0, bias="none")
VERSIONS = ("torch", "transformers", "peft", "safetensors")
NOTE = ("u{i}.features [mel, 2S]; u{i}.input [T] decoder input; u{i}.target [T] with -100 = not counted; "
        "u{i}.target_prompt [T]: the same with the prompt's tokens counted too")


def random_like(tensor, generator, std):
    return torch.randn(tensor.shape, generator=generator) * std


def build():
    """The model of tiny_model.safetensors; the encoder's sinusoids stay, everything else is random and nowhere neutral."""
    network = WhisperForConditionalGeneration(WhisperConfig(**CONFIG)).float().eval()
    network.config._attn_implementation = "eager"
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name == "model.encoder.embed_positions.weight":
                weight.requires_grad_(False)
            elif "layer_norm" in name and name.endswith("weight"):
                weight.copy_(1 + random_like(weight, generator, 0.2))
            else:
                weight.copy_(random_like(weight, generator, 0.2))
    return network


def build_lora(targets, **more):
    """The same model under LoRA with both factors random, so that no gradient is zero; DoRA's magnitudes stay as PEFT starts them."""
    network = get_peft_model(build(), LoraConfig(target_modules=targets, **LORA, **more))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in sorted(network.named_parameters()):
            if "lora_A" in name or "lora_B" in name:
                weight.copy_(random_like(weight, generator, 0.2))
    return network


def make_utterance(positions, tokens, generator):
    words = torch.randint(0, 200, (tokens - len(PROMPT),), generator=generator).tolist()
    inputs = PROMPT + words
    target = [IGNORED] * (len(PROMPT) - 1) + words + [END]
    return {"features": torch.randn(CONFIG["num_mel_bins"], 2 * positions, generator=generator),
            "input": torch.tensor(inputs), "target": torch.tensor(target), "target_prompt": torch.tensor(inputs[1:] + [END])}


def as_tensors(prefix, utterance):
    return {f"{prefix}.{key}": value if value.is_floating_point() else value.int() for key, value in utterance.items()}


@contextlib.contextmanager
def positions_cut_to(network, positions):
    encoder = network.get_encoder()
    whole, limit = encoder.embed_positions, encoder.config.max_source_positions
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(whole.weight[:positions], freeze=True)
    encoder.config.max_source_positions = encoder.max_source_positions = positions
    try:
        yield
    finally:
        encoder.embed_positions = whole
        encoder.config.max_source_positions = encoder.max_source_positions = limit


def run(network, utterance):
    """(logits [T, V], encoder states [S, C])"""
    with positions_cut_to(network, utterance["features"].shape[1] // 2):
        out = network(input_features=utterance["features"][None], decoder_input_ids=utterance["input"][None], use_cache=False)
    return out.logits[0], out.encoder_last_hidden_state[0]


def loss_of(network, batch, target="target", smoothing=0.0):
    tokens = sum(int((utterance[target] != IGNORED).sum()) for utterance in batch)
    total = sum(cross_entropy(run(network, utterance)[0], utterance[target], ignore_index=IGNORED, label_smoothing=smoothing,
                              reduction="sum") for utterance in batch)
    return total / tokens


def fixed_batch():
    generator = torch.Generator().manual_seed(3)
    return [make_utterance(*lengths, generator) for lengths in LENGTHS]


def batch_tensors(batch, prefix=""):
    return {key: value for i, utterance in enumerate(batch) for key, value in as_tensors(f"{prefix}u{i}", utterance).items()}


def model(_model):
    network = build()
    write_tensors("tiny_model.safetensors",
                  {name: value for name, value in network.state_dict().items() if name != "proj_out.weight"}, {"versions": versions(*VERSIONS)})
    write_json("tiny_config.json", {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "dtype": "float32", **CONFIG,
                                    "versions": versions(*VERSIONS)})


def forward(_model):
    network, batch = build(), fixed_batch()
    tensors = batch_tensors(batch)
    for i, utterance in enumerate(batch):
        tensors[f"u{i}.logits"], tensors[f"u{i}.states"] = run(network, utterance)
    tensors["loss.text"] = loss_of(network, batch)
    tensors["loss.prompt"] = loss_of(network, batch, target="target_prompt")
    tensors["loss.smoothed"] = loss_of(network, batch, smoothing=0.1)
    spread = torch.cat([tensors[f"u{i}.logits"] for i in range(len(batch))]).std().item()
    print(f"  spread of the logits {spread:.2f}, losses {[round(tensors[f'loss.{k}'].item(), 3) for k in ('text', 'prompt', 'smoothed')]}")
    write_tensors("tiny_forward.safetensors", tensors, {
        "versions": versions(*VERSIONS), "note": NOTE + "; u{i}.logits [T, V]; u{i}.states [S, C] after the last LayerNorm; loss.text over "
        "target, loss.prompt over target_prompt, loss.smoothed: target with label smoothing 0.1; each divided by its tokens"})


def adapter_name(name):
    """Of a parameter in PEFT's files, which leave out DoRA's ".weight"."""
    return name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(".default.", ".")


def gradients(_model):
    batch = fixed_batch()

    def write(name, network, weights, gradient_of):
        loss = loss_of(network, batch)
        loss.backward()
        grads = gradient_of()
        smallest = min(grads, key=lambda key: grads[key].norm())
        print(f"  {len(grads)} gradients, smallest norm {grads[smallest].norm():.2e} ({smallest})")
        write_tensors(name, {**{f"grad.{key}": value for key, value in grads.items()}, **weights, "loss": loss}, {
            "versions": versions(*VERSIONS), "note": "grad.NAME: gradient of tiny_forward's loss.text for the model of tiny_model.safetensors; "
            "LoRA: NAME = the factor itself, in PEFT's file names", **({"lora": LORA} if weights else {})})

    network = build()
    write("tiny_gradients_full.safetensors", network, {},
          lambda: {name: weight.grad for name, weight in network.named_parameters() if weight.requires_grad})
    for suffix, targets in (("lora", ["q_proj", "v_proj"]), ("lora_all_linear", "all-linear"), ("dora", "all-linear")):
        adapted = build_lora(targets, use_dora=suffix == "dora")
        write(f"tiny_gradients_{suffix}.safetensors", adapted, get_peft_model_state_dict(adapted),
              lambda: {adapter_name(name): weight.grad for name, weight in adapted.named_parameters() if weight.requires_grad})


def adapter(_model):
    """A folder exactly as PEFT writes it, and the logits of tiny_forward's utterances under it."""
    folder = OUT / "peft_adapter"
    network = build_lora(["q_proj", "v_proj"])
    network.peft_config["default"].base_model_name_or_path = "tiny"
    network.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["target_modules"].sort()  # a set, whose order changes from run to run
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
    (folder / "README.md").unlink(missing_ok=True)  # a model card, mostly blank
    (folder / "adapter_model.safetensors").chmod(0o644)
    with torch.no_grad():
        logits = {f"u{i}.logits": run(network, utterance)[0] for i, utterance in enumerate(fixed_batch())}
    write_tensors("peft_adapter_logits.safetensors", logits, {
        "versions": versions(*VERSIONS), "note": "logits [T, V] of tiny_forward's utterances, tiny_model with the adapter of peft_adapter/"})


def lora_ga(_model):
    """Where LoRA-GA's adapters start for the gradient of fixed_batch: 4 r is every direction there is, so PEFT's search is exact."""
    network, batch = build(), fixed_batch()
    names = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]  # preprocess_loraga does not know "all-linear"
    config = LoraConfig(target_modules=names, init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(), **{**LORA, "r": 8, "lora_alpha": 16})
    preprocess_loraga(network, config, lambda: loss_of(network, batch).backward())
    gradients = {name: module._peft_loraga_grad for name, module in network.named_modules() if hasattr(module, "_peft_loraga_grad")}
    torch.manual_seed(5)
    factors = get_peft_model_state_dict(get_peft_model(network, config))
    values = {f"values.{name}.weight": torch.linalg.svdvals(gradient) for name, gradient in gradients.items()}
    print(f"  {len(values)} layers, least share of the 16th value {min((v[15] / v[0]).item() for v in values.values()):.1e}")
    write_tensors("tiny_lora_ga.safetensors", {**factors, **values}, {
        "versions": versions(*VERSIONS), "note": "PEFT's factors of init_lora_weights='lora_ga' (r 8, direction ArB2r) for the gradient of tiny_forward's "
        "loss.text; values.NAME: the singular values of that gradient"})


def adamw(network, settings):
    named = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    plain = lambda name: name.endswith("bias") or "layer_norm" in name or "magnitude" in name
    groups = [{"params": [weight for name, weight in named if not plain(name)], "weight_decay": settings["weight_decay"]},
              {"params": [weight for name, weight in named if plain(name)], "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings["learning_rate"], betas=tuple(settings["betas"]),
                             eps=settings["epsilon"])


def train(network, batches, settings, smoothing, optimizer=None):
    """Losses before each step, gradient norms before clipping, learning rates used."""
    optimizer = optimizer or adamw(network, settings)
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    schedule = get_linear_schedule_with_warmup(optimizer, settings["warmup_steps"], len(batches))
    losses, norms, rates = [], [], []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(network, batch, smoothing=smoothing)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(learning, settings["max_grad_norm"]).item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return {"losses": losses, "gradient_norms": norms, "learning_rates": rates, **settings, "label_smoothing": smoothing}


SETTINGS = {"betas": [0.9, 0.999], "epsilon": 1e-8, "weight_decay": 0.01, "warmup_steps": 2, "max_grad_norm": 1.0}


def step_batches():
    generator = torch.Generator().manual_seed(4)
    lengths = lambda: (int(torch.randint(9, 25, (), generator=generator)), int(torch.randint(5, 21, (), generator=generator)))
    distinct = [[make_utterance(*lengths(), generator) for _ in range(2)] for _ in range(3)]
    return [distinct[step % 3] for step in range(10)]  # seen again, so that the loss falls


def steps(_model):
    batches = step_batches()
    tensors = {key: value for step, batch in enumerate(batches) for key, value in batch_tensors(batch, f"step{step}.").items()}

    runs = {}
    for name, rate, smoothing in (("full", 1e-2, 0.0), ("full_smoothed", 1e-2, 0.1), ("lora", 2e-2, 0.0), ("lora_smoothed", 2e-2, 0.1)):
        network = build() if name.startswith("full") else build_lora(["q_proj", "v_proj"])
        if name == "lora":
            tensors |= {f"start.{key}": value.clone() for key, value in get_peft_model_state_dict(network).items()}
        runs[name] = train(network, batches, {"learning_rate": rate, **SETTINGS}, smoothing)
        if name == "lora":
            tensors |= {f"end.{key}": value for key, value in get_peft_model_state_dict(network).items()}
        if name == "full":
            tensors["end.model.decoder.embed_tokens.weight"] = network.model.decoder.embed_tokens.weight
            tensors["end.model.encoder.conv1.weight"] = network.model.encoder.conv1.weight
        print(f"  {name}: {[round(loss, 3) for loss in runs[name]['losses']]}")
    write_json("tiny_steps.json", {
        "versions": versions(*VERSIONS), "steps": len(batches), "lora": LORA, "runs": runs,
        "note": "batches in tiny_steps.safetensors; losses stand before each update; AdamW decays neither biases nor LayerNorms; linear schedule"})
    write_tensors("tiny_steps.safetensors", tensors, {
        "versions": versions(*VERSIONS), "note": "step{k}." + NOTE + "; start.NAME, end.NAME: LoRA factors before and after the run 'lora'; "
        "end.model...: two tensors after the run 'full'"})


def adapter_steps(_model):
    """The ten steps of tiny_steps with what PEFT adds to LoRA; the same batches, and the same starting factors but for starts of their own."""
    batches, runs, ratio = step_batches(), {}, 4
    for name in ("lora_rs", "lora_plus", "lora_pissa", "lora_dora", "lora_pissa_dora"):
        dora = name.endswith("dora")
        network = get_peft_model(build(), LoraConfig(target_modules="all-linear", init_lora_weights="pissa", use_dora=dora, **LORA)) \
            if name.startswith("lora_pissa") else build_lora(["q_proj", "v_proj"], use_rslora=name == "lora_rs", use_dora=dora)
        settings = {"learning_rate": 1e-2, **SETTINGS}
        optimizer = create_loraplus_optimizer(network, torch.optim.AdamW, lr=settings["learning_rate"], loraplus_lr_ratio=ratio,
                                              loraplus_weight_decay=settings["weight_decay"], betas=tuple(settings["betas"]),
                                              eps=settings["epsilon"]) if name == "lora_plus" else None
        runs[name] = train(network, batches, settings, 0.0, optimizer)
        print(f"  {name}: {[round(loss, 3) for loss in runs[name]['losses']]}")
    write_json("tiny_adapter_steps.json", {
        "versions": versions(*VERSIONS), "steps": len(batches), "lora": LORA, "loraplus_lr_ratio": ratio, "runs": runs,
        "note": "batches and starting factors in tiny_steps.safetensors; lora_pissa... starts as PEFT starts it, on all linear layers, and so do the magnitudes of "
                "...dora; losses stand before "
                "each update; linear schedule"})
