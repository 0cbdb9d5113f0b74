"""The synthetic corpus: repeatable, in NTU's terms, physically sensible, and neither trivial nor hopeless."""

from __future__ import annotations

import numpy as np
import pytest

from skelbench.data import DataError, ntu, preprocess, protocol, synthetic_corpus
from skelbench.data.synthetic.corpus import performances
from skelbench.data.synthetic.motion import ACTIONS, RIGHT, Build, Pose, Style, joint_positions


def test_the_same_seed_gives_the_same_bits(corpus):
    assert synthetic_corpus(clips=72, seed=3).content_hash == corpus.content_hash
    assert synthetic_corpus(clips=72, seed=4).content_hash != corpus.content_hash


def test_ntu_terms(corpus):
    assert corpus.synthetic
    assert corpus.joints.shape[1:] == (25, 3)
    assert (corpus.length, corpus.max_bodies) == (corpus.frames.max(), 2)
    for name, label, camera in zip(corpus.names, corpus.label, corpus.camera, strict=True):
        parsed = ntu.parse_name(str(name))
        assert (parsed.action - 1, parsed.camera) == (label, camera)
    assert np.isfinite(corpus.joints).all()
    assert set(corpus.bodies) == {1, 2}
    assert set(corpus.label[corpus.bodies == 2]) == {10, 11}


@pytest.mark.parametrize("clips", [36, 100, 900])
def test_sizes(clips):
    corpus = synthetic_corpus(clips=clips)
    assert len(corpus) == clips == len(np.unique(corpus.names))
    counts = np.bincount(corpus.label, minlength=12)
    assert counts.min() >= counts.max() - 3 * clips / 36


def test_too_small():
    with pytest.raises(DataError, match="at least 36 clips, not 35"):
        synthetic_corpus(clips=35)


@pytest.mark.parametrize("name", ["xview", "xsub", "xset"])
def test_every_ntu_protocol(name):
    split = protocol(synthetic_corpus(), name)
    assert not split.warnings
    assert min(len(split.train), len(split.test)) > 150


def test_bones_keep_their_length():
    for performance in performances(12, seed=1):
        people = performance.people
        hips_to_feet = [(12, 13), (13, 14), (14, 15), (4, 5), (5, 6), (20, 1), (8, 9), (9, 10)]
        for a, b in hips_to_feet:
            length = np.linalg.norm(people[:, :, a] - people[:, :, b], axis=-1)
            assert np.ptp(length, axis=0).max() < 1e-9
            assert length.min() > 0.04


def test_angles_move_what_they_name():
    rest = joint_positions(Pose(1), Build())[0]
    assert rest[3, 1] > rest[20, 1] > rest[0, 1] > rest[13, 1] > rest[15, 1] == 0
    assert rest[4, 0] > 0 > rest[8, 0]  # left is +x
    assert 1.4 < rest[3, 1] < 1.75
    raised = Pose(1)
    raised.add(("raise", RIGHT), 90)
    arm = joint_positions(raised, Build())[0]
    assert arm[11, 2] > 0.5
    np.testing.assert_allclose(arm[11, 1], arm[8, 1], atol=1e-9)
    seated = Pose(50)
    dict((name, first) for name, first, _ in ACTIONS)["sit down"](
        seated, np.linspace(0, 1, 50), Style(1, 2, 0, RIGHT)
    )
    base = joint_positions(seated, Build())[:, 0, 1]
    assert base[0] - base[-1] > 0.3


def test_cameras_see_the_same_bodies_from_other_sides(corpus):
    """Bone lengths agree between the cameras; positions do not."""
    alone = preprocess(corpus.select(np.flatnonzero(corpus.label == 0)[:3]))
    spines = [
        np.median(np.linalg.norm(alone.clip(i)[:, 0, 20] - alone.clip(i)[:, 0, 0], axis=-1)) for i in range(3)
    ]
    assert np.ptp(spines) < 0.06
    shoulders = [np.median(alone.clip(i)[:, 0, 8] - alone.clip(i)[:, 0, 4], axis=0) for i in range(3)]
    assert np.linalg.norm(shoulders[1] - shoulders[2]) > 0.2


def test_neither_trivial_nor_hopeless():
    """A linear classifier on the padded coordinates (the raw control) is far from chance and from perfect."""
    clips = preprocess(synthetic_corpus())
    frames = int(clips.frames.max())
    rows = np.zeros((len(clips), frames, 2, 25, 3), dtype=np.float32)
    for index in range(len(clips)):
        clip = clips.clip(index)
        rows[index, : clip.shape[0], : clip.shape[1]] = clip
    rows = rows.reshape(len(clips), -1)
    split = protocol(clips, "xview")
    rows -= rows[split.train].mean(axis=0)
    train = rows[split.train]
    kernel = (train @ train.T).astype(np.float64)
    kernel += 0.05 * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    weights = np.linalg.solve(kernel, np.eye(clips.classes)[clips.label[split.train]])
    predicted = ((rows[split.test] @ train.T) @ weights).argmax(axis=1)
    accuracy = (predicted == clips.label[split.test]).mean()
    assert 0.3 < accuracy < 0.9
