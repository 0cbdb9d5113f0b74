"""The rows on resampled clips: reference models, modern recipes, and the controls that belong beside them."""

from __future__ import annotations

from dataclasses import replace

from skelbench.runs.looks import Look
from skelbench.runs.results import Group
from skelbench.training.plan import Augmentation, Plan, Stream
from skelbench.training.variant import Variant

_SUPCON = "skelbench.losses:SupConLoss"
_TCL = "skelbench.losses:TCLLoss"
_NTXENT = "skelbench.losses:NTXentLoss"

# Turned any way and mirrored: views that the classes survive and no camera can tell apart.
_TURNED = Augmentation(crop=0.5, tilt=0.5, yaw=0.8, stretch=0.1, noise=0.05, mirror=0.5)
_STRONG = Augmentation(
    crop=0.5,
    warp=0.3,
    tilt=0.5,
    yaw=0.8,
    shear=0.2,
    stretch=0.15,
    limb=0.15,
    mirror=0.5,
    noise=0.1,
    drop=0.3,
)
_ALL: tuple[Stream, ...] = ("joint", "bone", "motion", "invariant")


def _reference(key: str, title: str, look: Look, encoder: str, plan: Plan) -> Variant:
    return Variant(
        key,
        title,
        "supervised",
        "skelbench.training.reference:train_supervised",
        encoder=f"skelbench.models.{encoder}",
        plan=plan,
        restore="skelbench.training.stream_task:restore",
        family="reference",
        table="Reference models",
        color=look.color,
        marker=look.marker,
    )


def _modern(
    key: str, title: str, look: Look, group: Group, encoder: str, loss: str, plan: Plan, note: str = ""
) -> Variant:
    return Variant(
        key,
        title,
        group,
        "skelbench.training.modern:contrastive",
        encoder=f"skelbench.models.{encoder}",
        loss=loss,
        loss_options=("temperature", "k1", "k2") if loss == _TCL else ("temperature",),
        plan=plan,
        restore="skelbench.training.stream_task:restore",
        family="modern",
        table="Modern recipes",
        color=look.color,
        marker=look.marker,
        note=note,
    )


def _stream_control(
    key: str, title: str, look: Look, recipe: str, encoder: str, streams: tuple[Stream, ...]
) -> Variant:
    return Variant(
        key,
        title,
        "control",
        f"skelbench.training.modern:{recipe}",
        encoder=f"skelbench.models.{encoder}",
        plan=Plan(streams, frames=24),
        restore="skelbench.training.stream_task:restore",
        family="modern",
        table="Modern recipes",
        color=look.color,
        marker=look.marker,
    )


# One recipe for all reference rows, so that they compare architectures; epochs as a quarter of an hour on two cores
# allows for NW-UCLA.
_SUPERVISED = Plan(("invariant",), 24, _TURNED, epochs=100, mixup=0.4)
_JOINTS = replace(_SUPERVISED, streams=("position",), frames=32)
# Of a trained encoder with a new classifier; streams and frames are the row's own.
FINE_TUNING = replace(_SUPERVISED, epochs=30, lr=0.001)
# Two views of every clip of a class in the batch, or four of every clip.
_CLASSES = Plan(
    ("invariant",), 24, _STRONG, epochs=200, batch_size=256, temperature=0.1, average=0.99, clip_norm=5.0
)
_INSTANCES = replace(_CLASSES, frames=16, epochs=80, batch_size=128, views=4, temperature=0.2, dropout=0.0)

STREAM_ROWS: tuple[Variant, ...] = (
    _reference(
        "tcn",
        "TCN on yaw-invariant numbers",
        Look("blue", "s"),
        "tcn:TCN",
        replace(_SUPERVISED, streams=("invariant",)),
    ),
    _reference(
        "graph-tcn",
        "Graph blocks and TCN on four streams",
        Look("orange", "^"),
        "graph_tcn:GraphTCN",
        replace(_SUPERVISED, streams=_ALL, frames=32),
    ),
    _reference("sgn", "SGN", Look("teal", "D"), "sgn:SGN", replace(_JOINTS, frames=20, epochs=60)),
    _reference("sit-mlp", "SiT-MLP", Look("rose", "v"), "sit_mlp:SiTMLP", replace(_JOINTS, epochs=30)),
    _reference("stgcn", "ST-GCN", Look("green", "P"), "stgcn:STGCN", replace(_JOINTS, epochs=20)),
    _reference("ctr-gcn", "CTR-GCN", Look("violet", "*"), "ctr_gcn:CTRGCN", replace(_JOINTS, epochs=15)),
    _modern(
        "tcn-ntxent",
        "TCN, NT-Xent on strong views",
        Look("red", "<"),
        "self-supervised",
        "tcn:TCN",
        _NTXENT,
        _INSTANCES,
    ),
    _modern(
        "tcn-predict",
        "TCN, NT-Xent and displacements ahead",
        Look("olive", ">"),
        "self-supervised",
        "tcn:TCN",
        _NTXENT,
        replace(_INSTANCES, predict="future"),
    ),
    _modern(
        "tcn-multiview",
        "TCN, NT-Xent across the training cameras",
        Look("steel", "h"),
        "self-supervised",
        "tcn:TCN",
        _NTXENT,
        replace(_INSTANCES, across_cameras=True),
        note="Its positives show one performance from several training cameras: subject, set-up, replication and "
        "action number agree. That knowledge includes the action, which other self-supervised rows do not have.",
    ),
    _modern(
        "mlp-ntxent",
        "ConMLP of today: frame MLP, NT-Xent on strong views",
        Look("plum", "d"),
        "self-supervised",
        "frame_mlp:FrameMLP",
        _NTXENT,
        replace(_INSTANCES, streams=_ALL, frames=32, epochs=150, dropout=None),
    ),
    _modern("tcn-supcon", "TCN, SupCon", Look("blue", "p"), "supervised", "tcn:TCN", _SUPCON, _CLASSES),
    _modern("tcn-tcl", "TCN, TCL", Look("orange", "X"), "supervised", "tcn:TCN", _TCL, _CLASSES),
    _stream_control(
        "resampled-linear",
        "Probe on resampled joints",
        Look("brown", "o"),
        "raw_control",
        "heads:Flat",
        ("joint",),
    ),
    _stream_control(
        "invariant-linear",
        "Probe on yaw-invariant numbers",
        Look("navy", "o"),
        "raw_control",
        "heads:Flat",
        ("invariant",),
    ),
    _stream_control(
        "random-tcn", "Probe on a random TCN", Look("umber", "o"), "random_control", "tcn:TCN", ("invariant",)
    ),
)
