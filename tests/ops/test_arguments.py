"""No argument ends the process, and an error names the argument: every public op against wrong values.

Each op has one good call. An argument, or two that hypothesis chooses, are replaced by values of the wrong type, dtype,
shape, device, layout or range. The op must then raise an error that names an argument that was replaced, or one that no
longer fits it. Where the values happen to be allowed, its result must be that of plain torch.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skelbench import losses, ops
from skelbench.ops import JointMaps, RaggedClips, Streams, View, _library
from tests.ops.test_ragged import make_clips

CLIPS = make_clips(4, dtype=torch.float32)
Z = torch.nn.functional.normalize(torch.arange(20.0).view(5, 4).cos(), dim=1)
Y = torch.tensor([0, 1, 0, 1, 2])
EDGES = torch.tensor([(0, 1), (1, 2)])
LISTS = ops.neighbour_lists(EDGES, 3)
DOCUMENTS = {
    "words": torch.tensor([0, 2, 1, 1, 0], dtype=torch.int32), "indptr": torch.tensor([0, 2, 5]),
    "counts": torch.tensor([2, 2, 1]),
}  # fmt: skip
TRAINING = {
    "epochs": 2, "rate": 0.1, "min_rate": 0.01, "sample": 0.1, "negative": 2, "seed": 0,
}  # fmt: skip
SHEAR, REVERSE = ops.draw(2, torch.Generator().manual_seed(0))


def sgd(
    clips: RaggedClips, grad: Tensor, weight: Tensor, momentum_buffer: Tensor, **constants: float
) -> None:
    """The step on copies, so that every example begins with the same weights."""
    copies = (x.clone() if isinstance(x, Tensor) else x for x in (weight, momentum_buffer))
    ops.ragged_linear_sgd_(clips, grad, *copies, **constants)


def masked_loss(
    embeddings: Tensor, positives: Tensor, contrasts: Tensor | None, self_offset: int | None
) -> Tensor:
    """The loss by a mask, which goes without labels."""
    return ops.contrastive_loss(
        embeddings, positives=positives, contrasts=contrasts, self_offset=self_offset, reduction="none"
    )


def streams(
    clips: RaggedClips,
    times: Tensor,
    joints: JointMaps,
    streams: tuple[str, ...],
    places: int,
    up: int,
    unit: float,
    maps: Tensor,
    limbs: Tensor,
    mirror: Tensor,
    noise: Tensor,
    hidden: Tensor,
    axis: Tensor,
) -> Streams:
    """The streams of a view that is given part by part."""
    view = View(maps, limbs, mirror, noise, hidden, axis)
    return ops.resampled_streams(clips, times, joints, streams, places=places, up=up, unit=unit, view=view)


PEOPLE = JointMaps(0, (0,), (0, 2, 1, 3, 4), (0, 0, 0, 1, 2), (3, 4), ((1, 2),))
# By op, a good call.
CALLS: dict[Callable[..., Any], dict[str, Any]] = {
    RaggedClips: {field.name: getattr(CLIPS, field.name) for field in fields(CLIPS)},
    ops.contrastive_loss: {
        "embeddings": Z, "labels": Y, "temperature": 0.5, "k1": 1.0, "k2": 1.0, "contrasts": Z, "contrast_labels": Y,
        "self_offset": 0, "reduction": "none", "positives": None,
    },
    masked_loss: {"embeddings": Z, "positives": Y[:, None] == Y[None], "contrasts": Z, "self_offset": 0},
    ops.count_positives: {"labels": Y, "contrast_labels": Y, "self_offset": 0},
    ops.draw: {"batch": 2, "generator": torch.Generator()},
    ops.augment: {"clips": CLIPS, "index": torch.tensor([1, 0]), "shear": SHEAR, "reverse": REVERSE},
    ops.pad: {"clips": CLIPS},
    ops.packed_rows: {"clips": CLIPS},
    ops.ragged_linear: {"clips": CLIPS, "weight": torch.ones(3, 270), "bias": torch.ones(3)},
    ops.ragged_linear_weight_gradient: {"clips": CLIPS, "grad": torch.ones(4, 3)},
    sgd: {
        "clips": CLIPS, "grad": torch.ones(4, 3), "weight": torch.ones(3, 270), "momentum_buffer": torch.ones(3, 270),
        "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0,
    },
    ops.supports_sgd: {"clips": CLIPS},
    ops.ragged_decode: {
        "hidden": torch.ones(4, 3), "weight": torch.ones(270, 3), "bias": torch.ones(270), "clips": CLIPS,
    },
    JointMaps: {field.name: getattr(PEOPLE, field.name) for field in fields(PEOPLE)},
    streams: {
        "clips": CLIPS, "times": torch.tensor([[0.0, 0.5, 1.0]]).expand(4, 3).contiguous(), "joints": PEOPLE,
        "streams": ("levelled", "invariant"), "places": 2, "up": 1, "unit": 0.5, "maps": torch.eye(3).expand(4, 3, 3),
        "limbs": torch.ones(4, 5), "mirror": torch.tensor([True, False, True, False]),
        "noise": torch.ones(4, 2, 3, 5, 3), "hidden": torch.ones(4, 2, 5, dtype=torch.bool),
        "axis": torch.tensor([-1, 0, 1, 2]),
    },
    ops.wl_subtrees: {"labels": torch.ones(2, 3, dtype=torch.int64), "edges": EDGES, "iterations": 2, "bits": 64},
    ops.wl_subtrees_csr: {
        "labels": torch.ones(3, dtype=torch.int64), "indptr": LISTS[0], "indices": LISTS[1], "iterations": 2,
        "bits": 64,
    },
    ops.neighbour_lists: {"edges": EDGES, "nodes": 3},
    ops.pv_dbow: DOCUMENTS | TRAINING | {"dimensions": 4, "block": 2},
    ops.pv_dbow_infer: DOCUMENTS | TRAINING | {"table": torch.ones(3, 4)},
    ops.bag_sums: {
        "rows": torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1]], dtype=torch.int32), "table": torch.arange(9.0).view(3, 3),
        "weight": torch.tensor([0.5, 2.0]), "known": torch.tensor([True, False, True]), "dropout": 0.5, "seed": 3,
        "first": 0,
    },
    losses.SupConLoss: {"temperature": 0.1, "reduction": "mean"},
    losses.TCLLoss: {"temperature": 0.1, "k1": 1.0, "k2": 1.0, "reduction": "mean"},
    losses.SupConLoss(): {"embeddings": Z, "labels": Y, "negatives": Z, "positives": None},
}  # fmt: skip

if not ops.built:
    del CALLS[sgd]
# Ops without a form in plain torch, and results that are no tensors.
ONLY_COMPILED = {sgd, ops.supports_sgd, ops.draw, RaggedClips, JointMaps, losses.SupConLoss, losses.TCLLoss}


def name_of(op: Callable[..., Any]) -> str:
    return getattr(op, "__name__", type(op).__name__)


NOT_A_VALUE = [
    None,
    "text",
    "0",
    1j,
    [],
    [0.5],
    {},
    object(),
    b"",
    float,
    2**62,
    -1,
    0,
    0.9,
    math.nan,
    -math.inf,
]
HUGE = [2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**100, -(2**63), 1e300, -1e300, 1e-300, True]


def wrong_tensors(x: Tensor) -> list[Any]:
    """Other shapes, dtypes, layouts and devices, and other values."""
    other_dtypes = [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.int64,
        torch.int32,
        torch.bool,
        torch.complex64,
    ]
    shapes = [x[:0], x[:-1], x[None], x.flatten(), x[..., 0], x[..., :0], torch.cat([x, x]), x.new_zeros(())]
    values = (
        [x - 1, x + 7, x * 0 + 2**62, -x]
        if x.dtype == torch.int64
        else [x * math.nan if x.is_floating_point() else ~x]
    )
    layouts = [
        x.to_sparse(),
        x.to("meta"),
        x.expand(2, *x.shape),
        x[..., None].expand(*x.shape, 3),
        x.numpy(),
    ]
    return [*(x.to(dtype) for dtype in other_dtypes), *shapes, *values, *layouts]


def wrong_values(good: Any) -> list[Any]:
    found = [*NOT_A_VALUE, *HUGE]
    if isinstance(good, Tensor):
        found += wrong_tensors(good)
    if isinstance(good, RaggedClips):
        for name in ("offsets", "frames", "bodies", "start"):
            for value in (-1, 0, 10, 2**32, 2**62, -(2**63), 2**63 - 1):
                changed = getattr(good, name).clone()
                changed[1] = value
                found.append(replace(good, **{name: changed}))
        found += [
            replace(good, joints=good.joints[:, :, :2]), replace(good, joints=good.joints.double()),
            replace(good, joints=good.joints[:3]), replace(good, length=1), replace(good, max_bodies=1000),
            good.select(torch.tensor([0])), good.to("meta"),
        ]  # fmt: skip
    return found


def try_call(op: Callable[..., Any], wrong: dict[str, Any]) -> None:
    """Call with wrong arguments: a named error, or the result of plain torch."""
    arguments = CALLS[op] | wrong
    try:
        result = op(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        # A tensor that is wrong in itself is named; one that only does not fit another may leave the other to be named.
        fit = any(isinstance(value, (Tensor, RaggedClips)) for value in wrong.values())
        tensors = {name for name, value in arguments.items() if fit and isinstance(value, Tensor)}
        names = {*wrong, *tensors, *({"clip "} if "clips" in wrong else {})}
        names |= {"contrasts"} if "negatives" in wrong else set()
        if not any(name in str(error) for name in names):
            raise AssertionError(f"{wrong}: {error}") from error
        return
    on_meta = any(getattr(value, "is_meta", False) for value in wrong.values())
    if op not in ONLY_COMPILED and not on_meta:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_library, "built", False)
            patch.setattr(_library, "warn_fallback", lambda: None)
            plain = op(**arguments)
        if isinstance(result, RaggedClips):
            result, plain = result.tensors, plain.tensors
        torch.testing.assert_close(result, plain, equal_nan=True)


@pytest.mark.parametrize("op", CALLS, ids=name_of)
def test_a_wrong_argument_is_named(op: Callable[..., Any]) -> None:
    for name, good in CALLS[op].items():
        for value in wrong_values(good):
            try_call(op, {name: value})


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_two_wrong_arguments(data: st.DataObject) -> None:
    op = data.draw(st.sampled_from([op for op in CALLS if len(CALLS[op]) > 1]))
    names = data.draw(st.lists(st.sampled_from(list(CALLS[op])), min_size=2, max_size=2, unique=True))
    try_call(op, {name: data.draw(st.sampled_from(wrong_values(CALLS[op][name]))) for name in names})


INDEX = torch.tensor([1, 0])
HIDDEN, WEIGHT, BIAS = torch.ones(4, 3), torch.ones(270, 3), torch.ones(270)
WHERE = CLIPS.frames, CLIPS.bodies, CLIPS.start
WRONG_SIZES = [(2**62, 2), (2**32, 2), (0, 2), (-9, 2), (9, 2**62), (9, 2**32), (9, 0), (9, -2), (2**20, 2)]
CONTRASTIVE = Z, Y, None, None, 0.5, 0.0, 1.0, 0, False, False
KEPT = torch.ones(5), torch.ones(5, dtype=torch.float64), Y
# Calls of torch.ops, past the checks in Python: name, the arguments before and after the sizes of the padded row.
SIZED: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "augment": ((*CLIPS.tensors, INDEX, SHEAR, REVERSE), ()),
    "ragged_linear": ((*CLIPS.tensors, torch.ones(3, 270), torch.ones(3)), ()),
    "ragged_linear_backward": ((torch.ones(4, 3), *CLIPS.tensors), ()),
    "ragged_linear_sgd_": (
        (torch.ones(3, 270), torch.ones(3, 270), torch.ones(4, 3), *CLIPS.tensors),
        (0.1, 0.9, 0.0),
    ),
    "ragged_decode": ((HIDDEN, WEIGHT, BIAS, *WHERE), ()),
    "ragged_decode_backward": ((torch.ones(len(CLIPS.joints), 15), HIDDEN, WEIGHT, *WHERE), ()),
}


@pytest.mark.skipif(not ops.built, reason="the extension is not built")
@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize(("length", "max_bodies"), WRONG_SIZES)
def test_torch_ops_name_a_wrong_size(name: str, length: int, max_bodies: int) -> None:
    before, after = SIZED[name]
    with pytest.raises(RuntimeError, match=r"length|max_bodies") as caught:
        getattr(torch.ops.skelbench, name)(*before, length, max_bodies, *after)
    assert str(_library._PATH.parents[1]) not in str(caught.value)


@pytest.mark.skipif(not ops.built, reason="the extension is not built")
@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("field", ["frames", "bodies", "start"])
@pytest.mark.parametrize("value", [-1, 2**32, 2**62, 2**63 - 1])
def test_torch_ops_name_a_wrong_clip(name: str, field: str, value: int) -> None:
    before, after = SIZED[name]
    wrong = getattr(CLIPS, field).clone()
    wrong[1] = value
    changed = [wrong if x is getattr(CLIPS, field) else x for x in before]
    with pytest.raises(RuntimeError, match="clip 1"):
        getattr(torch.ops.skelbench, name)(*changed, CLIPS.length, CLIPS.max_bodies, *after)


@pytest.mark.skipif(not ops.built, reason="the extension is not built")
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("augment", (CLIPS.joints[:, :0], *CLIPS.tensors[1:], INDEX, SHEAR, REVERSE, 9, 2), "joints"),
        ("augment", (*CLIPS.tensors[:4], CLIPS.start[:2], INDEX, SHEAR, REVERSE, 9, 2), "start"),
        (
            "ragged_linear_backward",
            (torch.ones(4, 3), CLIPS.joints[:, :0], *CLIPS.tensors[1:], 9, 2),
            "joints",
        ),
        ("ragged_decode", (HIDDEN, WEIGHT[:0], BIAS[:0], *WHERE, 9, 2), "weight"),
        ("contrastive_backward", (KEPT[0][:0], *KEPT[1:], *CONTRASTIVE, True, False), "grad"),
        ("contrastive_backward", (KEPT[0][:, None], *KEPT[1:], *CONTRASTIVE, True, False), "grad"),
        ("contrastive_backward", (KEPT[0], KEPT[1][:2], Y, *CONTRASTIVE, True, False), "lse"),
        ("contrastive_backward", (KEPT[0], KEPT[0], Y, *CONTRASTIVE, True, False), "lse"),
        ("contrastive_backward", (*KEPT[:2], Y[:1], *CONTRASTIVE, True, False), "positives"),
        ("contrastive_reduced_backward", (KEPT[0][:0], Z, Z, Z, None), "grad"),
        ("contrastive_reduced_backward", (KEPT[0][0], Z.half(), Z, Z, None), "grad_embeddings"),
        ("contrastive_reduced_backward", (KEPT[0][0], Z, Z.t(), Z, None), "grad_contrasts"),
        ("peak", ("int8", 1), "dtype"),
        ("peak", ("float32", 0), "rounds"),
    ],
)
def test_torch_ops_name_a_wrong_argument(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        getattr(torch.ops.skelbench, name)(*arguments)


@pytest.mark.parametrize("op", CALLS, ids=name_of)
def test_the_good_call_is_good_and_gives_every_argument(op: Callable[..., Any]) -> None:
    try_call(op, {})
    signature = inspect.signature(op.forward if isinstance(op, torch.nn.Module) else op)
    assert set(signature.parameters) - {"per_clip", "constants", "on_epoch"} <= set(CALLS[op])
