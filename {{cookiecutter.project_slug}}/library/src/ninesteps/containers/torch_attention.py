"""Attention within each example of a packed row, with a fused kernel if available.

flash-attn, which is in the Hugging Face training image, and torch from 2.10 have kernels for rows
with several sequences: nothing is computed between sequences, and no mask is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "ninesteps_varlen"

Kernel = Callable[..., torch.Tensor]
"""queries (tokens, heads, width), keys, values, bounds, longest, scale -> same shape as queries."""


def _by_flash_attn() -> Kernel:
    flash_attn_varlen_func = import_module("flash_attn").flash_attn_varlen_func  # only in one image

    def kernel(q: Any, k: Any, v: Any, bounds: Any, longest: int, scale: float) -> Any:
        return flash_attn_varlen_func(
            q, k, v, bounds, bounds, longest, longest,
            softmax_scale=scale, causal=True, deterministic=True,
        )  # fmt: skip

    return kernel


def _by_torch() -> Kernel:
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    causal = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    shares = {"enable_gqa": True} if "enable_gqa" in known else {}

    def kernel(q: Any, k: Any, v: Any, bounds: Any, longest: int, scale: float) -> Any:
        if not shares and k.shape[1] != q.shape[1]:
            k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
        return varlen_attn(
            q, k, v, bounds, bounds, longest, longest, scale=scale, **causal, **shares
        )

    return kernel


@cache
def fused(device: torch.device) -> str | None:
    """The name of the attention to load a model with, or None if no kernel works here.

    A kernel is first tested against plain attention, forward and backward.
    """
    if device.type != "cuda":
        return None
    for make in (_by_flash_attn, _by_torch):
        try:
            kernel = make()
            if not _is_right(kernel, device):
                continue
        except (ImportError, RuntimeError, TypeError, NotImplementedError):
            continue
        register(kernel)
        return NAME
    return None


def register(kernel: Kernel) -> None:
    """Register a kernel with transformers, which passes on the arguments of the model's caller."""

    def attention(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        *,
        scaling: float,
        bounds: torch.Tensor,
        longest: int,
        **_: object,
    ) -> tuple[torch.Tensor, None]:
        q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
        return kernel(q, k, v, bounds, longest, scaling)[None], None

    AttentionInterface.register(NAME, attention)


def block_mask(segments: torch.Tensor) -> torch.Tensor:
    """The attention mask, (rows, 1, columns, columns): earlier places of the same example."""
    columns = segments.shape[1]
    earlier = torch.ones(columns, columns, dtype=torch.bool, device=segments.device).tril()
    same = segments[:, None, :, None] == segments[:, None, None, :]
    return same & earlier


def _is_right(kernel: Kernel, device: torch.device) -> bool:
    """Whether a kernel agrees with plain attention, for two sequences and shared keys."""
    draw = torch.Generator(device).manual_seed(0)
    lengths, scale = (5, 11), 0.125
    shapes = ((sum(lengths), 4, 64), (sum(lengths), 2, 64), (sum(lengths), 2, 64))
    given = [torch.randn(s, generator=draw, device=device, dtype=torch.bfloat16) for s in shapes]
    bounds = torch.tensor([0, 5, 16], dtype=torch.int32, device=device)
    results = []
    for own in (True, False):
        q, k, v = (x.clone().requires_grad_() for x in given)
        if own:
            out = kernel(q, k, v, bounds, max(lengths), scale)
        else:
            parts = [
                scaled_dot_product_attention(
                    *(x.transpose(0, 1) for x in part), is_causal=True, scale=scale, enable_gqa=True
                ).transpose(0, 1)
                for part in zip(*(x.split(lengths) for x in (q, k, v)), strict=True)
            ]
            out = torch.cat(parts)
        out.float().square().sum().backward()
        results.append([out, q.grad, k.grad, v.grad])
    return all(
        torch.allclose(own.float(), plain.float(), rtol=0.05, atol=0.05)
        for own, plain in zip(*results, strict=True)
    )
