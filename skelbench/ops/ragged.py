"""The two layers that read and write clips without their padding, and the optimizer step of the first.

The first layer of ConMLP sees a clip as one row of `length * max_bodies * J * 3` numbers, most of them zero padding.
`RaggedClips` holds only the frames and bodies that exist, and the cost of a layer follows what is there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from skelbench.ops import _library, reference
from skelbench.ops._autograd import DifferentiableOp
from skelbench.ops.checks import FLOATS, check_number, check_tensor
from skelbench.ops.clips import RaggedClips, check, check_places, check_type

_LARGEST = 1e30
"""Largest constant of an optimizer step."""


def pad(clips: RaggedClips) -> Tensor:
    """The clips as zero-padded rows (B, features).

    Coordinate c of joint j of body m in padded frame t is column ((t * max_bodies + m) * J + j) * C + c.

    Raises:
        TypeError: not a RaggedClips.
        ValueError: a clip (named) outside its packed or padded row.
    """
    check(clips)
    return reference.pad(clips)


def packed_rows(clips: RaggedClips) -> Tensor:
    """Rows of `clips.joints` that the batch names, clip after clip: int64 (R_b,).

    `clips.joints[packed_rows(clips)]` is what `ragged_decode` is compared with.

    Raises:
        TypeError: not a RaggedClips.
        ValueError: a clip (named) outside its packed or padded row.
    """
    check(clips)
    return reference.packed_rows(clips.offsets, clips.frames, clips.bodies)[2]


def ragged_linear(clips: RaggedClips, weight: Tensor, bias: Tensor) -> Tensor:
    """Exactly `linear(pad(clips), weight, bias)`, at a cost that follows the frames and bodies present.

    float32 runs in the extension, on the GPU where it was built with CUDA. Other dtypes and devices, joints that
    need a gradient, and forward-mode derivatives run as the padded computation. On a GPU nothing waits for the check
    of the clips: the kernel prints a clip outside its row and stops the device with an error, as torch's own index
    checks do there.

    Args:
        clips: B clips.
        weight: (out, clips.features), the dtype of `clips.joints`.
        bias: (out,).

    Returns:
        (B, out), differentiable in weight, bias and `clips.joints`; a second derivative raises NotImplementedError.

    Raises:
        TypeError: an argument of another type.
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: a clip (named) outside its packed or padded row.
    """
    _check_weight(clips, weight, "columns")
    check_tensor("bias", bias, (weight.shape[0],), clips.joints.dtype, like=clips.joints)
    if not _library.computes(clips.joints, differentiated=(clips.joints,), tangents=(weight, bias)):
        check(clips)
        return reference.ragged_linear(clips, weight, bias)
    output: Tensor = _linear(*clips.tensors, weight, bias, clips.length, clips.max_bodies)
    return output


def ragged_linear_weight_gradient(clips: RaggedClips, grad: Tensor) -> Tensor:
    """The gradient of `ragged_linear`'s weight.

    Args:
        clips: B clips.
        grad: (B, out), the dtype of `clips.joints`: the gradient of the layer's output.

    Returns:
        (out, clips.features).

    Raises:
        TypeError: an argument of another type.
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: a clip (named) outside its packed or padded row.
    """
    _check_gradient(clips, grad, *FLOATS)
    if not _library.computes(clips.joints, differentiated=(clips.joints, grad)):
        check(clips)
        return grad.t() @ reference.pad(clips)
    gradient: Tensor = torch.ops.skelbench.ragged_linear_backward(
        grad, *clips.tensors, clips.length, clips.max_bodies
    )
    return gradient


@torch.no_grad()
def ragged_linear_sgd_(
    clips: RaggedClips,
    grad: Tensor,
    weight: Tensor,
    momentum_buffer: Tensor,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """A step of SGD on `ragged_linear`'s weight, in place, which never stores the weight's gradient g.

    momentum_buffer = momentum * momentum_buffer + g + weight_decay * weight; weight -= lr * momentum_buffer, as
    torch.optim.SGD. A buffer of zeros is that of a first step.

    Args:
        clips: B clips, `supports_sgd(clips)`.
        grad: float32 (B, out), the gradient of the layer's output.
        weight: float32 (out, clips.features), contiguous.
        momentum_buffer: the same; its memory is apart from every other argument's.
        lr: learning rate.
        momentum: share of the buffer that is kept.
        weight_decay: factor of the L2 penalty's gradient.

    Raises:
        TypeError: an argument of another type.
        ValueError: shapes, dtypes, devices, memory or numbers that do not fit.
        RuntimeError: a clip (named) outside its packed or padded row.
    """
    _check_gradient(clips, grad, torch.float32)
    shape = grad.shape[1], clips.features
    for name, value in (("weight", weight), ("momentum_buffer", momentum_buffer)):
        check_tensor(name, value, shape, torch.float32, like=clips.joints)
        if not value.is_contiguous():
            raise ValueError(f"{name} must be contiguous, but its strides are {value.stride()}")
    for name, number in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
        check_number(name, number, 0, _LARGEST)
    if not supports_sgd(clips):
        raise ValueError(
            f"clips: their joints are {clips.joints.dtype} on {clips.joints.device}; ragged_linear_sgd_ takes "
            "float32 on the CPU, without a gradient, and needs the extension"
        )
    if not torch.compiler.is_compiling():
        _check_apart(weight=weight, momentum_buffer=momentum_buffer, grad=grad, joints=clips.joints)
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


def supports_sgd(clips: RaggedClips) -> bool:
    """Whether `ragged_linear_sgd_` takes this batch: float32 without a gradient, on the CPU, extension built."""
    check_type(clips)
    joints = clips.joints
    return joints.device.type == "cpu" and _library.computes(joints, differentiated=(joints,))


def ragged_decode(hidden: Tensor, weight: Tensor, bias: Tensor, clips: RaggedClips) -> Tensor:
    """Exactly `linear(hidden, weight, bias)`, computed only at the frames and bodies that the clips have.

    Args:
        hidden: (B, H), the dtype of `clips.joints`.
        weight: (clips.features, H).
        bias: (clips.features,).
        clips: B clips. Only frames, bodies and start are read, not the coordinates.

    Returns:
        (R_b, J, C), R_b = sum of frames * bodies, clip after clip in the order of `packed_rows(clips)`;
        differentiable in hidden, weight and bias, as in `ragged_linear`.

    Raises:
        TypeError: an argument of another type.
        ValueError: shapes, dtypes or devices that do not fit.
        ValueError or RuntimeError: a clip (named) outside its padded row (as in `ragged_linear`).
    """
    _check_weight(clips, weight, "rows")
    check_tensor("bias", bias, (clips.features,), clips.joints.dtype, like=clips.joints)
    check_tensor("hidden", hidden, (len(clips), weight.shape[1]), clips.joints.dtype, like=clips.joints)
    if not _library.computes(clips.joints, tangents=(hidden, weight, bias)):
        check_places(clips)
        return reference.ragged_decode(hidden, weight, bias, clips)
    rows: Tensor = _decode(
        hidden, weight, bias, clips.frames, clips.bodies, clips.start, clips.length, clips.max_bodies
    )
    return rows.view(-1, *clips.joints.shape[1:])


def _check_weight(clips: RaggedClips, weight: Tensor, features: str) -> None:
    """`features` says at which place the weight is as long as the padded row: "columns" or "rows"."""
    check_type(clips)
    check_tensor("weight", weight, ("rows", "columns"), clips.joints.dtype, like=clips.joints)
    found = weight.shape[features == "columns"]
    if found != clips.features:
        raise ValueError(
            f"weight is {tuple(weight.shape)}: it has {found} {features}, but the padded row has {clips.features} "
            f"numbers ({clips.length} frames x {clips.max_bodies} bodies x {tuple(clips.joints.shape[1:])})"
        )


def _check_gradient(clips: RaggedClips, grad: Tensor, *dtypes: torch.dtype) -> None:
    check_type(clips)
    dtype = (clips.joints.dtype,) if clips.joints.dtype in dtypes else dtypes
    check_tensor("grad", grad, (len(clips), "out"), *dtype, like=clips.joints)


def _check_apart(**tensors: Tensor) -> None:
    """Raise ValueError where the first or second of some contiguous tensors shares memory with another."""
    spans = {name: (x.data_ptr(), x.data_ptr() + x.nbytes) for name, x in tensors.items()}
    written = list(spans)[:2]
    for one in written:
        for other, (begin, end) in spans.items():
            if one != other and begin < spans[one][1] and spans[one][0] < end:
                raise ValueError(f"{one} and {other} share memory, but {one} is written")


def _linear_fake(joints: Tensor, offsets: Tensor, *rest: Any) -> Tensor:
    _, _, _, weight, *_ = rest
    return joints.new_empty(offsets.shape[0], weight.shape[0])


def _linear_backward_fake(grad: Tensor, joints: Tensor, *rest: Any) -> Tensor:
    *_, length, max_bodies = rest
    return grad.new_empty(grad.shape[1], length * max_bodies * joints.shape[1] * joints.shape[2])


def _linear_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *clips, _, _, ctx.length, ctx.max_bodies = inputs
    ctx.save_for_backward(*clips)


def _linear_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad_weight = grad_bias = None
    if ctx.needs_input_grad[5]:
        grad_weight = _linear.gradient(grad, *ctx.saved_tensors, ctx.length, ctx.max_bodies)
    if ctx.needs_input_grad[6]:
        grad_bias = grad.sum(0)
    return None, None, None, None, None, grad_weight, grad_bias, None, None


def _sgd_fake(*arguments: Any) -> None:
    return None


def _decode_fake(hidden: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    *_, length, max_bodies = rest
    rows = torch.library.get_ctx().new_dynamic_size()
    return hidden.new_empty(rows, weight.shape[0] // (length * max_bodies))


def _decode_backward_fake(grad: Tensor, hidden: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, ...]:
    return torch.empty_like(hidden), torch.empty_like(weight), weight.new_empty(weight.shape[0])


def _decode_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    hidden, weight, _, frames, bodies, start, ctx.length, ctx.max_bodies = inputs
    ctx.save_for_backward(hidden, weight, frames, bodies, start)


def _decode_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grads = _decode.gradient(grad, *ctx.saved_tensors, ctx.length, ctx.max_bodies)
    return *grads, None, None, None, None, None


def _linear_flops(*shapes: Any, out_shape: Any = None, **keywords: Any) -> int:
    """Flops of the padded row, as the field counts a model's operations: what is saved depends on the clips."""
    _, offsets, _, _, _, weight, *_ = shapes
    return int(2 * offsets[0] * weight[0] * weight[1])


if _library.built:
    register_flop_formula(torch.ops.skelbench.ragged_linear)(_linear_flops)
    torch.library.register_fake("skelbench::ragged_linear")(_linear_fake)
    torch.library.register_fake("skelbench::ragged_linear_backward")(_linear_backward_fake)
    torch.library.register_fake("skelbench::ragged_linear_sgd_")(_sgd_fake)
    torch.library.register_fake("skelbench::ragged_decode")(_decode_fake)
    torch.library.register_fake("skelbench::ragged_decode_backward")(_decode_backward_fake)
    _linear = DifferentiableOp("ragged_linear", _linear_setup, _linear_backward)
    _decode = DifferentiableOp("ragged_decode", _decode_setup, _decode_backward)
