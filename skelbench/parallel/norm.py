"""Batch normalisation over the batch of all processes. torch's own SyncBatchNorm does not compute on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skelbench.parallel.ranks import Ranks, total


class SyncedBatchNorm(_BatchNorm):
    """A batch normalisation whose statistics in training are those of the rows of all processes.

    Parameters, buffers and their names are those of the module that it takes the place of, and so is evaluation.
    """

    def __init__(self, module: _BatchNorm, ranks: Ranks) -> None:
        """Take the place of `module`, whose parameters and buffers are used, not copied."""
        super().__init__(module.num_features, module.eps, module.momentum, False, False)
        self.affine, self.track_running_stats = module.affine, module.track_running_stats
        self.weight, self.bias = module.weight, module.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(module, name))
        self.ranks = ranks
        self.train(module.training)

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) -> the same."""
        if not self.training:
            return super().forward(input)
        values = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        over = [dimension for dimension in range(values.dim()) if dimension != 1]
        shape = [1, -1, *[1] * (values.dim() - 2)]
        count = values.new_tensor([values.numel() // values.shape[1]])
        sums = total(torch.cat([values.sum(over), count]), self.ranks)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        moved = values - mean.view(shape)
        # Two passes, as torch's own on a CPU: the difference of two large sums would cost digits.
        variance = total(moved.square().sum(over), self.ranks) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scaled = moved * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def synchronised(module: nn.Module, ranks: Ranks) -> int:
    """Replace, in place, the batch normalisations of `module` if there are several processes; their number."""
    if ranks.size == 1:
        return 0
    replaced = 0
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, SyncedBatchNorm):
            setattr(module, name, SyncedBatchNorm(child, ranks))
            replaced += 1
        else:
            replaced += synchronised(child, ranks)
    return replaced
