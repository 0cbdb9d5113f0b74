"""`skelbench export`: a trained encoder as ONNX or as a torch.export program, which need no skelbench.

What is written is a plain-torch twin of the encoder, without the project's ops: it takes padded arrays where the
encoder takes packed clips. The two are held against each other before the file is called done.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelbench import data as clip_data
from skelbench.data.clips import Clips
from skelbench.data.packing import offsets_of
from skelbench.models.recurrent import SequenceClassifier
from skelbench.training.trained import Encoder
from skelbench.twins import ExportError, Twin, twin_of

SUFFIXES = (".onnx", ".pt2")
OPSET = 18
TOLERANCE = 1e-5
"""Largest difference from the encoder, as a share of the largest output."""
CLIPS = 32
"""Clips on which the two are compared."""


@dataclass(frozen=True)
class Exported:
    """A written file."""

    path: Path
    inputs: dict[str, str]
    """Shape of each input, by name."""
    bytes: int
    clips: int
    """Clips on which it was compared with the encoder."""
    difference: float
    """Largest difference of an output from the encoder's, as a share of the encoder's largest output."""


def export(
    encoder: Encoder, path: str | os.PathLike[str], clips: Clips | str | os.PathLike[str] | None = None
) -> Exported:
    """Write an encoder and its classifier, and compare the file with it.

    The model takes clips as `skelbench.data.preprocess` gives them, moved to their origin and turned as the training
    clips were (under `--stream`, their bones or motion), and padded with zeros: `joints` float32
    (clips, frames, bodies, J, 3), and for rows on resampled clips also `frames` int64 (clips,). The recurrent rows of
    graph2vec take `vectors` (clips, windows, width), wl-bag-gru takes `rows` int64 (clips, windows, tokens): their
    graphs are made by skelbench. The number of clips may change, and that of frames where clips are resampled;
    elsewhere a clip is padded to the encoder's own length. It returns `logits` (clips, classes) and `representation`
    (clips, width). What a user of the file has to know (names of joints and classes, unit, alignment) stands in the
    file's metadata under "skelbench".

    Args:
        encoder: from `skelbench.load`.
        path: `.onnx` (needs the extra `export`), or `.pt2` for `torch.export.load`.
        clips: on which the two are compared; None makes some up.

    Raises:
        ExportError: another suffix, a missing package, a model without a plain twin, or outputs that differ by more
            than `TOLERANCE`; the file is then not left behind.
        DataError: clips that the encoder does not take.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ExportError(f"{path}: the file must end in {' or '.join(SUFFIXES)}")
    if path.suffix == ".onnx":
        _require_packages()
    twin = twin_of(encoder)
    if clips is None:
        clips = _made_up_clips(encoder)
    elif not isinstance(clips, Clips):
        clips = clip_data.load_recordings([clips])
    clips = clips.select(np.arange(min(CLIPS, len(clips))))
    wanted = encoder.classify(clips), encoder.represent(clips)
    given = twin.inputs(clip_data.preprocess(clips, align=encoder.built.align))
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        _write(twin, given, temporary, _facts(encoder))
        found = _run(temporary, given)
        difference = max(
            float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
            for a, b in zip(found, wanted, strict=True)
        )
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path}: the exported {encoder.built.variant} differs from the model by {difference:.1e} of its "
                f"largest output, {TOLERANCE:.0e} is allowed: nothing was written"
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    shapes = {name: f"({', '.join(str(size) for size in shape)})" for name, shape in twin.shapes.items()}
    return Exported(path, shapes, path.stat().st_size, len(clips), difference)


def _made_up_clips(encoder: Encoder) -> Clips:
    """Random walks of the encoder's skeleton, of every length and number of bodies that it takes."""
    built, generator = encoder.built, np.random.default_rng(0)
    frames = generator.integers(1, built.shape["length"] + 1, CLIPS)
    frames[0] = built.shape["length"]
    # graph2vec may have been trained without clips of several people.
    most = 1 if isinstance(encoder.model[0], SequenceClassifier) else built.shape["max_bodies"]
    bodies = 1 + np.arange(CLIPS) % most
    parts = []
    for shape in zip(frames, bodies, strict=True):
        steps = 0.02 * generator.standard_normal((*shape, built.shape["joints"], 3))
        parts.append(
            (generator.standard_normal(steps[0].shape) + steps.cumsum(0)).reshape(-1, *steps.shape[2:])
        )
    none = np.zeros(CLIPS, dtype=np.int64)
    return Clips(
        joints=np.concatenate(parts).astype(np.float32),
        offsets=offsets_of(frames, bodies),
        bodies=bodies,
        label=none - 1,
        names=np.array([f"made-up-{index}" for index in range(CLIPS)]),
        subject=none,
        camera=none,
        setup=none,
        replication=none,
        skeleton=built.skeleton,
        class_names=encoder.class_names,
        dataset="made up",
        length=built.shape["length"],
        max_bodies=built.shape["max_bodies"],
        source="made-up clips",
        unit=built.unit or "metre",
    )


def _facts(encoder: Encoder) -> dict[str, object]:
    built = encoder.built
    return {
        "variant": built.variant,
        "seed": built.seed,
        "dataset": built.dataset,
        "joint_names": list(built.joint_names),
        "class_names": list(built.class_names),
        "unit": built.unit,
        "align": built.align,
        "stream": built.settings.get("stream"),
        "version": built.version,
    }


def _require_packages() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise ExportError(
                f"ONNX needs {package}, which is not installed: pip install 'skelbench[export]'"
            ) from error


def _write(twin: Twin, given: dict[str, Tensor], path: Path, facts: dict[str, object]) -> None:
    named = {size for shape in twin.shapes.values() for size in shape if isinstance(size, str)}
    names = {size: torch.export.Dim(size, min=1) for size in named}
    dynamic = {
        name: {axis: names[size] for axis, size in enumerate(shape) if isinstance(size, str)}
        for name, shape in twin.shapes.items()
    }
    with _quiet():
        program = torch.export.export(
            twin.module, tuple(given.values()), dynamic_shapes=tuple(dynamic.values())
        )
        _save(program, path, list(twin.shapes), facts)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its own code: weights that recurrent layers keep in a list, packages it could use."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The tensor attributes .*_flat_weights")
            warnings.filterwarnings("ignore", ".*treespec", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _save(
    program: torch.export.ExportedProgram, path: Path, inputs: list[str], facts: dict[str, object]
) -> None:
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={"skelbench": json.dumps(facts)})
        return
    import onnx

    written = torch.onnx.export(
        program,
        input_names=inputs,
        output_names=["logits", "representation"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert written is not None
    model = written.model_proto
    model.metadata_props.append(onnx.StringStringEntryProto(key="skelbench", value=json.dumps(facts)))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _run(path: Path, given: dict[str, Tensor]) -> list[NDArray[np.float32]]:
    """Logits and representations that a written file computes."""
    if path.suffix == ".pt2":
        with torch.inference_mode():
            return [output.numpy() for output in torch.export.load(path).module()(*given.values())]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, {name: tensor.numpy() for name, tensor in given.items()}))
