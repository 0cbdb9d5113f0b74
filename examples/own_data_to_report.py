"""From arrays of your own to a report: write a ragged .npz, run the main job, open report.html.

    python examples/own_data_to_report.py [FOLDER]

The clips are made up: five joints in a chain, three movements, four people, two cameras.
"""

import sys
from pathlib import Path

import numpy as np

from skelbench.eval import Config, Results, Settings, run

MOVEMENTS = ("wave", "bow", "still")
JOINTS = ("hip", "spine", "neck", "shoulder", "hand")
# (child, parent): the hip is the root.
BONES = ((1, 0), (2, 1), (3, 2), (4, 3))


def record(movement: str, camera: int, rng: np.random.Generator) -> np.ndarray:
    """One clip as it might come from your recorder: float32 (frames, people, joints, 3), in metres, y up."""
    frames = int(rng.integers(20, 40))
    phase = np.linspace(0, rng.uniform(2, 4) * np.pi, frames)
    clip = np.zeros((frames, 1, len(JOINTS), 3), dtype=np.float32)
    clip[..., 1] = np.linspace(0.9, 1.9, len(JOINTS))
    if movement == "wave":
        clip[:, 0, 4, 0] += 0.4 * np.sin(phase)
    if movement == "bow":
        clip[:, 0, 2:, 2] += 0.5 * np.abs(np.sin(phase / 4))[:, None]
    turn = np.deg2rad(45 * (camera - 1))
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]], dtype=np.float32
    )
    return clip @ rotation.T + rng.normal(0, 0.01, clip.shape).astype(np.float32)


def write(path: Path) -> None:
    """Every movement by every person, three times, under both cameras, in one file."""
    rng = np.random.default_rng(0)
    takes = [
        (label, person, camera, repetition)
        for label in range(len(MOVEMENTS))
        for person in range(1, 5)
        for repetition in range(1, 4)
        for camera in (1, 2)
    ]
    clips = [record(MOVEMENTS[label], camera, rng) for label, _, camera, _ in takes]
    label, subject, view, rep = np.array(takes).T
    np.savez(
        path,
        x=np.concatenate(clips),
        offsets=np.concatenate([[0], np.cumsum([len(clip) for clip in clips])]),
        label=label,
        subject=subject,
        view=view,
        rep=rep,
        names=[f"{MOVEMENTS[label]}-p{person}-r{rep}-c{camera}" for label, person, camera, rep in takes],
        class_names=MOVEMENTS,
        joint_names=JOINTS,
        edges=BONES,
        fps=15,
        unit="metre",
    )


def main(folder: Path) -> Results:
    """Write the file, train three variants, leave a report.

    On the command line, the latter two are

        skelbench eval xview --data FOLDER/mine.npz --variants conmlp-supcon,raw-linear,majority --epochs 20
    """
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "mine.npz")
    results = run(
        Config(
            protocol="xview",
            data=folder / "mine.npz",
            variants=("conmlp-supcon", "raw-linear", "majority"),
            settings=Settings.preset("quick", epochs=20),
            threads=1,
            out=folder / "run",
        )
    )
    for score in results.scores:
        low, high = score.top1_interval
        print(f"{score.variant:14} top-1 {score.top1:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    print(f"report: {folder / 'run' / 'report.html'}")
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "own_data"))
