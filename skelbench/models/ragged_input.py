"""Layers over clips without their padding, and the SGD that never forms the gradient of the first one's weight.

That gradient is a product of two small factors, the clips and the gradient of the layer's output, but is itself as
large as the weight (46 MB for NTU). The layer keeps the factors. The optimizer multiplies them block by block and
updates weight and momentum while a block is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skelbench import ops
from skelbench.models.divided import DividedClips
from skelbench.ops import RaggedClips


class RaggedInput(nn.Linear):
    """A linear layer over padded rows that never multiplies the padding."""

    factors: list[tuple[RaggedClips, Tensor]] | None = None
    """Where an optimizer sets a list, backward appends (clips, gradient of the output), the factors of the weight's
    gradient, and forms no gradient of the weight."""

    def forward(self, clips: RaggedClips | DividedClips) -> Tensor:  # type: ignore[override]
        """Outputs (B, out_features) of B clips; of divided ones, those of this process's clips."""
        if isinstance(clips, RaggedClips):
            return self._product(clips, self.bias)
        # Each process adds what its frames give; the bias comes once. The factors need an output with a gradient.
        nothing = torch.zeros_like(self.bias, requires_grad=self.bias.requires_grad)
        return clips.to_owners(self._product(clips.own, nothing)) + self.bias

    def _product(self, clips: RaggedClips, bias: Tensor) -> Tensor:
        kept = self.factors
        learns = torch.is_grad_enabled() and self.weight.requires_grad and bias.requires_grad
        if kept is None or not learns or not ops.supports_sgd(clips):
            return ops.ragged_linear(clips, self.weight, bias)
        output = ops.ragged_linear(clips, self.weight.detach(), bias)
        output.register_hook(lambda grad: kept.append((clips, grad)))
        return output


class RaggedOutput(nn.Linear):
    """A linear layer to padded rows that computes only the frames and bodies present."""

    def forward(self, hidden: Tensor, target: RaggedClips | DividedClips) -> Tensor:  # type: ignore[override]
        """Numbers at the rows of `target`, clip after clip (`ops.ragged_decode`); of divided clips, all processes'."""
        # Under autocast the layers before this one gave bfloat16; the op computes in its weight's dtype.
        hidden = hidden.to(self.weight.dtype)
        if isinstance(target, RaggedClips):
            return ops.ragged_decode(hidden, self.weight, self.bias, target)
        return ops.ragged_decode(target.from_owners(hidden), self.weight, self.bias, target.own)


class FactoredSGD(torch.optim.SGD):
    """`torch.optim.SGD(module.parameters(), lr, momentum, weight_decay=..., fused=True)`, with the same state.

    The weights of `RaggedInput` layers have no `.grad` where the extension computes the layer on the CPU. Everywhere
    else, and where a layer was used more than once since the last `zero_grad`, they have one as usual.
    """

    def __init__(self, module: nn.Module, lr: float, momentum: float, weight_decay: float) -> None:
        """Optimize the parameters of a module.

        Args:
            module: its RaggedInput layers keep factors from now on.
            lr: learning rate; it may be scheduled.
            momentum: as torch.optim.SGD has it.
            weight_decay: as torch.optim.SGD has it.
        """
        super().__init__(module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
        self.layers = [layer for layer in module.modules() if isinstance(layer, RaggedInput)]
        for layer in self.layers:
            layer.factors = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients and factors."""
        super().zero_grad(set_to_none)
        for layer in self.layers:
            _take(layer)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step along the gradients.

        Args:
            closure: computes the loss anew, as in torch.optim.SGD.

        Returns:
            The closure's loss, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for layer in self.layers:
            self._step_layer(layer)
        super().step()
        return loss

    def _step_layer(self, layer: RaggedInput) -> None:
        factors, weight = _take(layer), layer.weight
        if len(factors) == 1 and weight.grad is None:
            (group,) = self.param_groups
            constants = (float(group[name]) for name in ("lr", "momentum", "weight_decay"))
            ops.ragged_linear_sgd_(*factors[0], weight, self._buffer(weight), *constants)
            return
        for clips, grad in factors:
            product = ops.ragged_linear_weight_gradient(clips, grad)
            weight.grad = product if weight.grad is None else weight.grad + product

    def _buffer(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def _take(layer: RaggedInput) -> list[tuple[RaggedClips, Tensor]]:
    """The factors that a layer has kept; the layer forgets them."""
    kept = layer.factors or []
    taken = kept.copy()
    kept.clear()
    return taken
