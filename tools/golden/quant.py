"""bitsandbytes' int8 rows and nf4 blocks with double quantisation, and PyTorch's float8_e4m3fn with a scale a row, on CPU."""
import torch

from .common import versions, write_tensors

SHAPES = {
    "normal": (24, 128),
    "odd_width": (13, 100),  # blocks cross rows, and the last one is short
    "odd_count": (7, 33),
    "single": (1, 1),
    "many_blocks": (160, 112),  # 280 blocks: two of the absmax codes' own blocks
}


def tensors():
    generator = torch.Generator().manual_seed(1)
    for name, shape in SHAPES.items():
        yield name, torch.randn(shape, generator=generator) * 0.03
    heavy = torch.randn((16, 96), generator=generator) ** 5
    yield "heavy_tail", heavy
    zeros = torch.randn((12, 128), generator=generator)
    zeros[3:5] = 0  # whole blocks, and a whole row
    yield "zeros", zeros
    yield "tiny", torch.randn((8, 64), generator=generator) * 1e-30
    yield "huge", torch.randn((8, 64), generator=generator) * 1e30
    from bitsandbytes.backends.utils import CODE

    code = CODE["nf4"].cpu()
    middles = torch.zeros(2, 64)
    middles[:, :15] = (code[:-1] + code[1:]) / 2  # ties
    middles[:, 15] = 1
    middles[:, 16:32] = code
    yield "ties", middles


def quant(_model):
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
    from bitsandbytes.functional import dequantize_blockwise, int8_vectorwise_quant, quantize_4bit

    out = {}
    for name, x in tensors():
        codes, state = quantize_4bit(x.clone(), blocksize=64, compress_statistics=True, quant_type="nf4")
        out[f"{name}.numbers"] = x
        out[f"{name}.nf4"] = codes
        out[f"{name}.absmax"] = state.absmax
        out[f"{name}.nested_absmax"] = state.state2.absmax
        out[f"{name}.offset"] = state.offset.reshape(1)
        # Their portable implementation: the CPU kernel of 0.50.2 restarts blocks at each row, which their quantize_4bit does not.
        absmax = dequantize_blockwise(state.absmax, state.state2) + state.offset
        out[f"{name}.decoded"] = _dequantize_4bit_compute(codes.reshape(-1), absmax, state.code, 64, x.shape, torch.float32)
        out["nf4_map"], out["nested_map"] = state.code, state.state2.code
        int8, scb, _ = int8_vectorwise_quant(x.clone())
        out[f"{name}.int8"], out[f"{name}.scb"] = int8, scb
        # As MatMul8bitFp decodes it.
        out[f"{name}.int8_decoded"] = int8.float() * scb.unsqueeze(1).mul(1.0 / 127.0)
    write_tensors("quant.safetensors", out, {"versions": versions("torch", "bitsandbytes"),
                                             "note": "NAME.numbers in f32; nf4 with double quantisation, int8 by rows"})


E4M3_LARGEST = torch.finfo(torch.float8_e4m3fn).max  # 448


def e4m3_tensors():
    yield from (case for case in tensors() if case[0] != "many_blocks")  # which says nothing of rows
    numbers = torch.arange(0x7F, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    ties = torch.zeros(2, 256)
    ties[0, :127], ties[1, :127] = numbers, -numbers  # the largest is 448: the scale is 1
    ties[0, 127:253] = (numbers[:-1] + numbers[1:]) / 2
    ties[1, 127:253] = -ties[0, 127:253]
    yield "e4m3_ties", ties
    yield "e4m3_least", torch.linspace(-1, 1, 64).reshape(2, 32) * torch.tensor([[1e-42], [1e-44]])  # scales of few bits, and 0


def fp8(_model):
    out = {"numbers": torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float()}
    for name, x in e4m3_tensors():
        scale = x.abs().amax(1, keepdim=True) / E4M3_LARGEST
        # PyTorch's conversion makes NaN of what is too large; 0 / 0 is no number.
        codes = torch.where(scale > 0, (x / scale).clamp(-E4M3_LARGEST, E4M3_LARGEST), 0).to(torch.float8_e4m3fn)
        out[f"{name}.numbers"], out[f"{name}.fp8"], out[f"{name}.scale"] = x, codes, scale
        out[f"{name}.fp8_decoded"] = codes.float() * scale
    write_tensors("fp8.safetensors", out, {"versions": versions("torch"), "note": "numbers: of the codes 0 to 255; NAME.numbers in f32, "
                                           "codes in f8_e4m3 with scale = absmax / 448 a row"})
