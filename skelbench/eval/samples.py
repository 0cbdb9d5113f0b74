"""Making the samples of a run: the map of the representations, and the clips that went most wrong."""

from __future__ import annotations

import base64

import numpy as np
import scipy.special
from numpy.typing import NDArray

from skelbench.data.clips import Clips, IntArray
from skelbench.runs.samples import NEIGHBOURS, Agreement, Figure, Map, Mistake, Samples
from skelbench.training.task import Fitted, Task

# At most; half of them test clips.
MAP_CLIPS = 1000
# Of t-SNE; it takes about two seconds.
MAP_STEPS = 500
WORST = 6
# Of a stick figure.
FRAMES = 32


def samples(task: Task, fitted: Fitted) -> Samples:
    """The samples of one fitted variant."""
    edges = [list(edge) for edge in task.clips.skeleton.edges]
    return Samples(edges, _map(task, fitted), _worst(task, fitted))


def figure(clips: Clips, index: int, frames: int = FRAMES) -> Figure:
    """Clip `index`, at most `frames` frames spread evenly, as bytes."""
    clip = clips.clip(index)
    return pack(clip, clips, str(clips.names[index]), frames, fps_of(clips, index))


def fps_of(clips: Clips, index: int) -> float | None:
    """Frames a second of clip `index`; None where they are unknown."""
    return None if clips.fps is None else float(clips.fps[index])


def pack(
    clip: NDArray[np.float32], clips: Clips, name: str, frames: int = FRAMES, fps: float | None = None
) -> Figure:
    """Coordinates (T, m, J, 3) of a clip of `clips` as bytes, turned so that y points up; `fps` frames a second."""
    chosen = np.unique(np.linspace(0, len(clip) - 1, min(frames, len(clip))).round().astype(int))
    joints = upright(clip, clips)[chosen]
    there = clip[chosen].any(axis=(2, 3))
    seen = joints[there] if there.any() else np.zeros((1, *joints.shape[2:]), dtype=np.float32)
    low, high = seen.min(axis=(0, 1)), seen.max(axis=(0, 1))
    scale = 255 / max(float((high - low).max()), 1e-6)
    middle = 127.5 - (low + high) / 2 * scale
    small = np.clip(joints * scale + middle, 0, 255).round().astype(np.uint8)
    return Figure(
        name,
        len(clip),
        len(chosen),
        clip.shape[1],
        clip.shape[2],
        base64.b64encode(small.tobytes()).decode(),
        np.argwhere(~there).tolist(),
        fps,
    )


def upright(clip: NDArray[np.float32], clips: Clips) -> NDArray[np.float32]:
    """(T, m, J, 3) with the axis along which the spine points as y; unchanged where the skeleton names no spine."""
    hip, neck = clips.skeleton.hip, clips.skeleton.neck
    if hip is None or neck is None:
        return clip
    spine = np.median((clip[:, 0, neck] - clip[:, 0, hip])[:10], axis=0)
    axis = int(np.abs(spine).argmax())
    if axis == 1:
        return clip * np.array([1, 1, 1] if spine[1] >= 0 else [1, -1, -1], dtype=np.float32)
    # A rotation by a quarter turn that brings the axis to y.
    turned = clip[..., [1, 0, 2]] if axis == 0 else clip[..., [0, 2, 1]]
    sign = 1 if spine[axis] >= 0 else -1
    signs = [-sign, sign, 1] if axis == 0 else [1, sign, -sign]
    return turned * np.array(signs, dtype=np.float32)


def _worst(task: Task, fitted: Fitted) -> list[Mistake]:
    """The test clips whose wrong class leads the right one by the largest probability; none without a skeleton."""
    if not task.clips.skeleton.joint_names:
        return []
    test = task.test.cpu().numpy()
    label = task.clips.label[test]
    probability = scipy.special.softmax(fitted.test_logits.numpy().astype(np.float64), axis=1)
    rows = np.arange(len(test))
    predicted = probability.argmax(1)
    lead = probability[rows, predicted] - probability[rows, label]
    wrong = np.flatnonzero(predicted != label)
    chosen = wrong[np.argsort(-lead[wrong], kind="stable")][:WORST]
    return [
        Mistake(
            figure(task.clips, int(test[row])),
            int(label[row]),
            int(predicted[row]),
            float(probability[row, predicted[row]]),
            float(probability[row, label[row]]),
        )
        for row in chosen
    ]


def _map(task: Task, fitted: Fitted) -> Map | None:
    """t-SNE of training and test clips; None where the variant has no representation."""
    if fitted.train_representations is None or fitted.test_representations is None:
        return None
    rng = np.random.default_rng(0)
    parts = [task.train.cpu().numpy(), task.test.cpu().numpy()]
    sources = [fitted.train_representations.numpy(), fitted.test_representations.numpy()]
    rows = [np.sort(rng.permutation(len(part))[: MAP_CLIPS // 2]) for part in parts]
    clips = np.concatenate([part[row] for part, row in zip(parts, rows, strict=True)])
    points = np.concatenate([source[row] for source, row in zip(sources, rows, strict=True)]).astype(
        np.float64
    )
    if len(points) < 5:
        return None
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    test = np.repeat([0, 1], [len(row) for row in rows])
    columns = {
        "class": task.clips.label[clips],
        "view": task.clips.camera[clips],
        "subject": task.clips.subject[clips],
        "part": test,
    }
    plane = _tsne(points)
    return Map(
        plane[:, 0].tolist(),
        plane[:, 1].tolist(),
        columns["class"].tolist(),
        columns["view"].tolist(),
        columns["subject"].tolist(),
        test.tolist(),
        _agreement(points, columns),
        len(parts[0]),
        len(parts[1]),
    )


def _tsne(points: NDArray[np.float64]) -> IntArray:
    """Unit rows (n, d) to 0..1000 on a plane (van der Maaten and Hinton 2008)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    reduced = PCA(min(30, *points.shape), random_state=0).fit_transform(points)
    if reduced.shape[1] < 2 or np.ptp(reduced) < 1e-9:
        return np.full((len(points), 2), 500, dtype=np.int64)
    perplexity = min(30.0, (len(points) - 1) / 3)
    # So few points are placed faster by one thread, and always at the same places.
    with threadpool_limits(1):
        plane = TSNE(perplexity=perplexity, init="pca", max_iter=MAP_STEPS, random_state=0).fit_transform(
            reduced
        )
    low = plane.min(axis=0)
    scaled: IntArray = (
        ((plane - low) / max(float(np.ptp(plane, axis=0).max()), 1e-9) * 1000).round().astype(np.int64)
    )
    return scaled


def _agreement(points: NDArray[np.float64], columns: dict[str, IntArray]) -> list[Agreement]:
    """Columns with one value only say nothing and are left out."""
    similarity = points @ points.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, : min(NEIGHBOURS, len(points) - 1)]
    found = []
    for what, value in columns.items():
        counts = np.unique(value, return_counts=True)[1]
        if len(counts) > 1:
            chance = float((counts * (counts - 1)).sum() / (len(value) * (len(value) - 1)))
            found.append(Agreement(what, float((value[nearest] == value[:, None]).mean()), chance))
    return found
