"""bitsandbytes' AdamW8bit on the CPU: its maps, and ten steps of a weight of five full blocks and a shorter one.

The optimizer is bitsandbytes' own, but for one call: its CPU kernel for quantize_blockwise looks codes up in a coarse table (0 becomes
code 7 of the unsigned map), so the states are quantised by the implementation that bitsandbytes has for any device, which takes the
nearest code as its CUDA kernels do.
"""
import bitsandbytes
import torch
from bitsandbytes.backends.cpu import ops
from bitsandbytes.functional import create_dynamic_map

from golden.common import versions, write_tensors

STEPS, SHAPE = 10, (3, 450)
HOW = dict(lr=1e-2, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1)


def quantise(numbers, code, absmax, out, blocksize):
    any_device = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    codes, largest = torch.ops.bitsandbytes.quantize_blockwise.default.redispatch(any_device, numbers, code, blocksize)
    out.copy_(codes)
    absmax.copy_(largest)


def adamw_8bit(_):
    ops._quant_blockwise_fp32_direct = quantise
    generator = torch.Generator().manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(SHAPE, generator=generator))
    spread = 10 ** (-4 * torch.rand(SHAPE, generator=generator))  # of gradients, so that all decades of the maps are met
    optimizer = bitsandbytes.optim.AdamW8bit([weight], min_8bit_size=1, **HOW)
    tensors = {"signed_map": create_dynamic_map(signed=True), "unsigned_map": create_dynamic_map(signed=False), "start": weight}
    tensors = {name: t.detach().clone() for name, t in tensors.items()}
    for step in range(1, STEPS + 1):
        weight.grad = torch.randn(SHAPE, generator=generator) * spread
        optimizer.step()
        state = optimizer.state[weight]
        for name, t in {"gradient": weight.grad, "weight": weight, "m": state["state1"], "v": state["state2"], "m_absmax": state["absmax1"],
                        "v_absmax": state["absmax2"]}.items():
            tensors[f"step{step}.{name}"] = t.detach().clone()
    write_tensors("adamw_8bit.safetensors", tensors, {"versions": versions("torch", "bitsandbytes"), "how": HOW,
                                                      "note": "step{k}.weight, m, v and their absmax: after step k, from 1"})
