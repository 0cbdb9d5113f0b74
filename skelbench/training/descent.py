"""SGD that never forms the gradient of the first layer's weight.

That gradient is a product of two small factors, the clips and the gradient of the layer's output, but is itself as
large as the weight (46 MB for NTU). The layer keeps the factors, and the step multiplies them block by block and
updates weight and momentum while a block is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skelbench.models.conmlp import RaggedInput
from skelbench.ops import ragged
from skelbench.ops.clips import RaggedClips


class FactoredSGD(torch.optim.SGD):
    """`torch.optim.SGD(module.parameters(), lr, momentum, weight_decay=..., fused=True)`, with the same state.

    The weights of `RaggedInput` layers have no `.grad` where the extension computes the layer on the CPU; everywhere
    else, and where a layer was used more than once since the last `zero_grad`, they have one as usual.

    Args:
        module: its parameters are optimised, and its RaggedInput layers keep factors from now on.
        lr, momentum, weight_decay: as torch.optim.SGD has them; `lr` may be scheduled.
    """

    def __init__(self, module: nn.Module, lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
        self.layers = [layer for layer in module.modules() if isinstance(layer, RaggedInput)]
        for layer in self.layers:
            layer.factors = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for layer in self.layers:
            _take(layer)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for layer in self.layers:
            self._descend(layer)
        super().step()
        return loss

    def _descend(self, layer: RaggedInput) -> None:
        factors, weight = _take(layer), layer.weight
        if len(factors) == 1 and weight.grad is None:
            (group,) = self.param_groups
            ragged.ragged_linear_descend(
                *factors[0],
                weight,
                self._buffer(weight),
                group["lr"],
                group["momentum"],
                group["weight_decay"],
            )
            return
        for clips, grad in factors:
            product = ragged.ragged_linear_weight_gradient(clips, grad)
            weight.grad = product if weight.grad is None else weight.grad + product

    def _buffer(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def _take(layer: RaggedInput) -> list[tuple[RaggedClips, Tensor]]:
    """What a layer has kept, which it then has no more."""
    kept = layer.factors or []
    taken = kept.copy()
    kept.clear()
    return taken
