"""Small clips that tests train on: classes that differ in how a joint moves, seen by two cameras."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from skelbench.data.clips import Clips, Skeleton
from skelbench.eval.config import Config
from skelbench.training.settings import Settings

DATA = Path(os.environ.get("SKELBENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))

# The same examples every time, so that a test that passed passes; `--hypothesis-profile=explore` draws new ones.
settings.register_profile("repeat", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeat")


def one_thread():
    """Body of a fixture: tiny batches are faster on one thread than on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def real_data():
    """Path of a real data file by name; skips where the data are absent."""

    def path(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not in ../shared/data (set SKELBENCH_DATA to its folder)")
        return DATA / name

    return path


def make_clips(clips=48, classes=3, joints=5, bodies=1, seed=0) -> Clips:
    """`clips` short clips: joint 1 swings with a frequency of its class; cameras 1 and 2 alternate."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(8, 20, clips)
    label = np.arange(clips) % classes
    packed = []
    for index in range(clips):
        time = np.arange(frames[index]) / 10
        clip = np.zeros((frames[index], bodies, joints, 3), dtype=np.float32)
        clip[:, :, :, 1] = np.linspace(0, 1, joints)
        clip[:, :, 1, 0] += np.sin((label[index] + 1) * 2 * time)[:, None]
        clip += rng.normal(0, 0.02, clip.shape).astype(np.float32)
        packed.append(clip.reshape(-1, joints, 3))
    unknown = np.zeros(clips, dtype=np.int64)
    return Clips(
        joints=np.concatenate(packed),
        offsets=np.concatenate([[0], np.cumsum(frames * bodies)]).astype(np.int64),
        bodies=np.full(clips, bodies, dtype=np.int64),
        label=label.astype(np.int64),
        names=np.array([f"clip{index:03}" for index in range(clips)]),
        subject=1 + (np.arange(clips) // classes) % 4,
        camera=1 + np.arange(clips) // classes % 2,
        setup=unknown,
        replication=unknown,
        skeleton=Skeleton(
            tuple(f"joint{j}" for j in range(joints)), tuple((j, j - 1) for j in range(1, joints)), 0
        ),
        class_names=tuple(f"class{c}" for c in range(classes)),
        dataset="tiny",
        length=int(frames.max()),
        max_bodies=bodies,
        source="made by the tests",
    )


@pytest.fixture
def tiny_clips() -> Clips:
    return make_clips()


def config_of(**options) -> Config:
    """A configuration from options as the command line takes them, hyper-parameters among them."""
    own = {name: options.pop(name) for name in list(options) if name in Settings.__dataclass_fields__}
    return Config(settings=Settings.preset("quick", **own), **options)


def command_line(capsys, *words) -> tuple[int, str, str]:
    """Exit code, output and error of `skelbench WORDS`."""
    from skelbench.cli.main import main

    try:
        code = main([str(word) for word in words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err
