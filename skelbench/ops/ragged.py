"""Clips on a device without their padding, and the two layers that read and write them.

The first layer of ConMLP sees a clip as one row of `length * max_bodies * J * 3` numbers, most of them zero
padding. `RaggedClips` holds only the frames and bodies that exist, plus the frame at which they start in the
padded row, so the cost of a layer follows what is there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C import _dispatch_has_kernel_for_dispatch_key as _dispatch_has_kernel
from torch.utils.flop_counter import register_flop_formula

from skelbench.ops import _library, reference
from skelbench.ops.clips import RaggedClips, check, check_shapes

_Shape = tuple[int, ...]

#: Device types whose float32 the extension computes: the GPU where it was built with CUDA.
DEVICES = (
    ("cpu", "cuda") if _library.built and _dispatch_has_kernel("skelbench::augment", "CUDA") else ("cpu",)
)


def pad(clips: RaggedClips) -> Tensor:
    """The clips as zero-padded rows (B, features).

    Coordinate c of joint j of body m in padded frame t is column ((t * max_bodies + m) * J + j) * 3 + c.
    """
    check(clips)
    return reference.pad(clips)


def packed_rows(clips: RaggedClips) -> Tensor:
    """Rows of `clips.joints` that the batch names, clip after clip: int64 (R_b,).

    `clips.joints[packed_rows(clips)]` is what `ragged_decode` is compared with.
    """
    check(clips)
    return reference.packed_rows(clips.offsets, clips.frames, clips.bodies)[2]


def ragged_linear(clips: RaggedClips, weight: Tensor, bias: Tensor) -> Tensor:
    """Exactly `linear(pad(clips), weight, bias)`, at a cost that follows the frames and bodies present.

    float32 runs in the extension, on the GPU where it was built with CUDA; other dtypes and devices, and joints
    that need a gradient, run as the padded computation. On a GPU nothing waits for the check of the clips: a
    clip outside its row is printed by the kernel and stops the device with an error, as torch's own index
    checks do there.

    Args:
        clips: B clips.
        weight: (out, clips.features), the dtype of `clips.joints`.
        bias: (out,).

    Returns:
        (B, out), differentiable in weight, bias and `clips.joints`.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: a clip outside its packed or padded row (named).
    """
    _check_layer("ragged_linear", clips, weight, bias, weight.shape[-1], weight.shape[0])
    if not _compiled(clips, clips.joints):
        check(clips)
        return reference.ragged_linear(clips, weight, bias)
    return torch.ops.skelbench.ragged_linear(
        *clips.tensors,
        weight,
        bias,
        clips.length,
        clips.max_bodies,
    )


def ragged_linear_weight_gradient(clips: RaggedClips, grad: Tensor) -> Tensor:
    """The gradient of `ragged_linear`'s weight (out, clips.features), where `grad` (B, out) is that of its output."""
    return torch.ops.skelbench.ragged_linear_backward(
        grad,
        *clips.tensors,
        clips.length,
        clips.max_bodies,
    )


def ragged_linear_descend(
    clips: RaggedClips,
    grad: Tensor,
    weight: Tensor,
    momentum_buffer: Tensor,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """A step of SGD on `ragged_linear`'s weight, in place, which never stores the weight's gradient g.

    momentum_buffer = momentum * momentum_buffer + g + weight_decay * weight; weight -= lr * momentum_buffer (as
    torch.optim.SGD; a buffer of zeros is that of a first step).

    Args:
        clips: B clips, `can_descend(clips)`.
        grad: float32 (B, out), the gradient of the layer's output.
        weight, momentum_buffer: float32 (out, clips.features), contiguous.
        lr, momentum, weight_decay: the step's constants.

    Raises:
        RuntimeError: shapes or dtypes that do not fit, or a clip outside its packed or padded row (named).
    """
    torch.ops.skelbench.ragged_linear_sgd_(
        weight,
        momentum_buffer,
        grad,
        *clips.tensors,
        clips.length,
        clips.max_bodies,
        lr,
        momentum,
        weight_decay,
    )


def can_descend(clips: RaggedClips) -> bool:
    """Whether `ragged_linear_descend` takes this batch: float32 without a gradient, on the CPU, extension built."""
    return clips.joints.device.type == "cpu" and _compiled(clips, clips.joints)


def ragged_decode(hidden: Tensor, weight: Tensor, bias: Tensor, clips: RaggedClips) -> Tensor:
    """Exactly `linear(hidden, weight, bias)`, computed only at the frames and bodies that the clips have.

    Args:
        hidden: (B, H).
        weight: (clips.features, H).
        bias: (clips.features,).
        clips: B clips, of which only frames, bodies and start are read, not the coordinates.

    Returns:
        (R_b, J, 3), R_b = sum of frames * bodies, clip after clip in the order of `packed_rows(clips)`;
        differentiable in hidden, weight and bias.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: a clip outside its padded row (as in `ragged_linear`).
    """
    _check_layer("ragged_decode", clips, weight, bias, weight.shape[0], weight.shape[0])
    if hidden.shape != (len(clips), weight.shape[1]) or hidden.dtype != weight.dtype:
        raise ValueError(
            f"ragged_decode: hidden is {tuple(hidden.shape)} {hidden.dtype}, expected "
            f"{(len(clips), weight.shape[1])} {weight.dtype}: one row per clip, as wide as the weight"
        )
    if not _compiled(clips, None):
        check(clips)
        return reference.ragged_decode(hidden, weight, bias, clips)
    rows = torch.ops.skelbench.ragged_decode(
        hidden, weight, bias, clips.frames, clips.bodies, clips.start, clips.length, clips.max_bodies
    )
    return rows.view(-1, *clips.joints.shape[1:])


def _check_layer(
    op: str, clips: RaggedClips, weight: Tensor, bias: Tensor, features: int, bias_length: int
) -> None:
    check_shapes(clips)
    if weight.dim() != 2 or features != clips.features:
        raise ValueError(
            f"{op}: weight is {tuple(weight.shape)}, but the padded row has {clips.features} numbers "
            f"({clips.length} frames x {clips.max_bodies} bodies x {tuple(clips.joints.shape[1:])})"
        )
    if bias.shape != (bias_length,):
        raise ValueError(f"{op}: bias is {tuple(bias.shape)}, expected ({bias_length},)")
    if not weight.dtype == bias.dtype == clips.joints.dtype:
        raise ValueError(
            f"{op}: joints are {clips.joints.dtype}, weight {weight.dtype}, bias {bias.dtype}: use one dtype"
        )
    if not weight.device == bias.device == clips.joints.device:
        raise ValueError(
            f"{op}: joints are on {clips.joints.device}, weight on {weight.device}, bias on {bias.device}"
        )


def _compiled(clips: RaggedClips, differentiated: Tensor | None) -> bool:
    """Whether the extension computes this batch."""
    if not _library.built:
        _library.warn_fallback()
        return False
    if differentiated is not None and differentiated.requires_grad and torch.is_grad_enabled():
        return False
    return clips.joints.dtype == torch.float32 and clips.joints.device.type in DEVICES


def _linear_fake(
    joints: Tensor,
    offsets: Tensor,
    frames: Tensor,
    bodies: Tensor,
    start: Tensor,
    weight: Tensor,
    bias: Tensor,
    length: int,
    max_bodies: int,
) -> Tensor:
    return joints.new_empty(offsets.shape[0], weight.shape[0])


def _linear_backward_fake(
    grad: Tensor,
    joints: Tensor,
    offsets: Tensor,
    frames: Tensor,
    bodies: Tensor,
    start: Tensor,
    length: int,
    max_bodies: int,
) -> Tensor:
    return grad.new_empty(grad.shape[1], length * max_bodies * joints.shape[1] * joints.shape[2])


def _linear_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *clips, _, _, ctx.length, ctx.max_bodies = inputs
    ctx.save_for_backward(*clips)


def _linear_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad_weight = grad_bias = None
    if ctx.needs_input_grad[5]:
        grad_weight = torch.ops.skelbench.ragged_linear_backward(
            grad, *ctx.saved_tensors, ctx.length, ctx.max_bodies
        )
    if ctx.needs_input_grad[6]:
        grad_bias = grad.sum(0)
    return None, None, None, None, None, grad_weight, grad_bias, None, None


def _descend_fake(*arguments: Any) -> None:
    return None


def _decode_fake(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    frames: Tensor,
    bodies: Tensor,
    start: Tensor,
    length: int,
    max_bodies: int,
) -> Tensor:
    rows = torch.library.get_ctx().new_dynamic_size()
    return hidden.new_empty(rows, weight.shape[0] // (length * max_bodies))


def _decode_backward_fake(
    grad: Tensor,
    hidden: Tensor,
    weight: Tensor,
    frames: Tensor,
    bodies: Tensor,
    start: Tensor,
    length: int,
    max_bodies: int,
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(hidden), torch.empty_like(weight), weight.new_empty(weight.shape[0])


def _decode_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    hidden, weight, _, frames, bodies, start, ctx.length, ctx.max_bodies = inputs
    ctx.save_for_backward(hidden, weight, frames, bodies, start)


def _decode_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grads = torch.ops.skelbench.ragged_decode_backward(grad, *ctx.saved_tensors, ctx.length, ctx.max_bodies)
    return *grads, None, None, None, None, None


def _linear_flops(
    joints: _Shape,
    offsets: _Shape,
    frames: _Shape,
    bodies: _Shape,
    start: _Shape,
    weight: _Shape,
    *others: Any,
    out_shape: _Shape | None = None,
    **keywords: Any,
) -> int:
    """Of the padded row, as the field counts a model's operations: what is saved depends on the clips."""
    return 2 * offsets[0] * weight[0] * weight[1]


if _library.built:
    register_flop_formula(torch.ops.skelbench.ragged_linear)(_linear_flops)
    torch.library.register_fake("skelbench::ragged_linear")(_linear_fake)
    torch.library.register_fake("skelbench::ragged_linear_backward")(_linear_backward_fake)
    torch.library.register_fake("skelbench::ragged_linear_sgd_")(_descend_fake)
    torch.library.register_fake("skelbench::ragged_decode")(_decode_fake)
    torch.library.register_fake("skelbench::ragged_decode_backward")(_decode_backward_fake)
    torch.library.register_autograd("skelbench::ragged_linear", _linear_backward, setup_context=_linear_setup)
    torch.library.register_autograd("skelbench::ragged_decode", _decode_backward, setup_context=_decode_setup)
