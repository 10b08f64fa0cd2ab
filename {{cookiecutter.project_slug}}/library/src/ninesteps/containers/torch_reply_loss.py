"""The loss of a reply's tokens, with logits for only a few tokens at a time.

With a vocabulary of 50,000, the logits of 16,000 tokens take 3 GB. Since the output matrix is
frozen, the gradient with respect to the hidden states can be computed in the forward pass, piece by
piece.
"""

from __future__ import annotations

from typing import Any

import torch

LOGITS_AT_ONCE = 2**26
"""Logits at a time: 256 MB in float32, and the same for their probabilities."""


class _ReplyLosses(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        output: torch.Tensor,
        reply_at: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        chosen = hidden[reply_at]
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        gradients = torch.empty_like(chosen) if ctx.needs_input_grad[0] else None
        size = max(1, LOGITS_AT_ONCE // len(output))
        for start in range(0, len(targets), size):
            part = slice(start, start + size)
            logits = (chosen[part] @ output.T).float()
            own = targets[part, None]
            total = logits.logsumexp(dim=1, keepdim=True)
            losses[part] = (total - logits.gather(1, own))[:, 0]
            if gradients is not None:
                by_logits = logits.sub_(total).exp_()  # softmax minus the target's 1
                by_logits.scatter_add_(1, own, -torch.ones_like(total))
                gradients[part] = by_logits.to(output.dtype) @ output
        ctx.shape = hidden.shape
        ctx.save_for_backward(gradients, reply_at)
        return losses

    @staticmethod
    def backward(ctx: Any, *by_losses: torch.Tensor) -> Any:
        gradients, reply_at = ctx.saved_tensors
        by_hidden = gradients.new_zeros(ctx.shape)
        by_hidden[reply_at] = (gradients * by_losses[0][:, None]).to(gradients.dtype)
        return by_hidden, None, None, None


def reply_losses(
    hidden: torch.Tensor, output: torch.Tensor, reply_at: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Negative log-likelihoods of `targets`, (replies' tokens,), in nats and float32.

    `hidden` are states (places, width), `output` the frozen matrix (vocabulary, width), `reply_at`
    the places, each at most once, whose states predict the targets.
    """
    losses: torch.Tensor = _ReplyLosses.apply(hidden, output, reply_at, targets)
    return losses
