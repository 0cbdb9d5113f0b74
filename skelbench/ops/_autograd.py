"""The derivatives of the compiled ops. A derivative that does not exist is an error, never a silent zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

Setup = Callable[[Any, tuple[Any, ...], Any], None]
Backward = Callable[..., Any]


class DifferentiableOp:
    """`torch.ops.skelbench.<name>` with its first derivative, also under the transforms of `torch.func`.

    An `autograd.Function` serves eager autograd, faster than torch's own registration, and `torch.func`, which needs
    one. The registration serves `torch.compile`, export, and calls of `torch.ops`. The op `<name>_backward` gets a
    derivative that raises NotImplementedError.
    """

    def __init__(self, name: str, setup_context: Setup, backward: Backward) -> None:
        """Register the derivative of an op whose library is loaded.

        Args:
            name: of the op; `<name>_backward` computes its gradient.
            setup_context: keeps what `backward` needs.
            backward: (ctx, gradients of the outputs) -> gradients of the inputs; it calls `self.gradient`.
        """
        self._name = name
        self._call = self._register(name, setup_context, backward)
        self.gradient = self._register(f"{name}_backward", _keep_nothing, self._refuse)

    def __call__(self, *arguments: Any) -> Any:
        """Run the op."""
        return self._call(*arguments)

    def _register(self, name: str, setup_context: Setup, backward: Backward) -> Callable[..., Any]:
        compiled = getattr(torch.ops.skelbench, name).default

        def forward(*arguments: Any) -> Any:
            if transforms_are_active():
                return compiled(*arguments)
            # torch's registration, in Python, has nothing to do below an autograd.Function.
            with torch._C._AutoDispatchBelowAutograd():
                return compiled(*arguments)

        torch.library.register_autograd(f"skelbench::{name}", backward, setup_context=setup_context)

        def forward_and_setup(ctx: Any, *arguments: Any) -> Any:
            output = forward(*arguments)
            setup_context(ctx, arguments, output)
            return output

        derivative = {"backward": staticmethod(backward), "jvp": staticmethod(self._refuse)}
        # torch looks at the signature of a forward with a setup_context in every call, which takes longer than the rest
        # of its dispatch; only torch.func asks for one.
        eager: Any = type(
            f"Eager_{name}",
            (torch.autograd.Function,),
            {"forward": staticmethod(forward_and_setup), **derivative},
        )
        transformed: Any = type(
            f"Transformed_{name}",
            (torch.autograd.Function,),
            {
                "generate_vmap_rule": True,
                "forward": staticmethod(forward),
                "setup_context": staticmethod(setup_context),
                **derivative,
            },
        )

        def call(*arguments: Any) -> Any:
            if torch.compiler.is_compiling():
                return compiled(*arguments)
            if transforms_are_active():
                return transformed.apply(*arguments)
            return eager.apply(*arguments) if torch.is_grad_enabled() else forward(*arguments)

        return call

    def _refuse(self, ctx: Any, *gradients: Any) -> None:
        raise refusal(self._name)


class WithoutDerivative(torch.autograd.Function):
    """A derivative of an op, of some tensors, whose own derivative does not exist."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, name: str, *of: Tensor) -> Tensor:
        """The same numbers."""
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the op's name."""
        _, ctx.name, *_ = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Raise."""
        raise refusal(ctx.name)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Raise."""
        raise refusal(ctx.name)


def refusal(name: str) -> NotImplementedError:
    """The error for a derivative that an op does not have."""
    return NotImplementedError(
        f"skelbench::{name} has a first derivative in reverse mode only; skelbench.ops.reference has the same op in "
        "plain torch, with every derivative"
    )


def transforms_are_active() -> bool:
    """Whether the call is inside a transform of `torch.func`, such as `torch.func.grad`."""
    return not torch.compiler.is_compiling() and bool(torch._C._are_functorch_transforms_active())


def is_last_backward(grad: Tensor) -> bool:
    """Whether the backward pass that runs is eager and frees its graph: nothing else will read what it kept.

    Args:
        grad: a gradient that it was given.
    """
    traced = torch.compiler.is_compiling() or type(grad) is not Tensor or torch._C._len_torch_dispatch_stack()
    kept = torch.is_grad_enabled() or torch._C._autograd._get_current_graph_task_keep_graph()
    return not (traced or kept or transforms_are_active())


def has_tangent(*tensors: object) -> bool:
    """Whether one of the tensors carries a forward-mode tangent, which only plain torch can propagate."""
    return not torch.compiler.is_compiling() and any(
        isinstance(x, Tensor) and _tangent(x) is not None for x in tensors
    )


def _tangent(x: Tensor) -> Tensor | None:
    tangent: Tensor | None = forward_ad.unpack_dual(x).tangent
    return tangent


def _keep_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass
