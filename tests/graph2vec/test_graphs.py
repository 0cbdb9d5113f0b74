"""Clips -> graphs: topology, windows, labels, and what is left out."""

from dataclasses import replace
from typing import get_args

import networkx as nx
import numpy as np
import pytest
import torch

from skelbench.data.clips import DataError
from skelbench.data.load import load
from skelbench.graph2vec import poses, skeleton_graphs, window_topology
from skelbench.graph2vec.batches import LabelBatches
from skelbench.graph2vec.graphs import window_rows
from skelbench.graph2vec.poses import ABSENT, LABEL_KINDS, features
from skelbench.ops.wl import wl_subtrees
from skelbench.training.settings import NodeLabel
from tests.conftest import make_clips


def test_topology_is_the_frames_skeletons_joined_in_time():
    skeleton = make_clips(1).skeleton
    expected = nx.cartesian_product(nx.path_graph(4), nx.Graph(skeleton.edges))
    graph = nx.Graph(window_topology(skeleton, window=4).tolist())
    assert len(graph) == 20
    assert graph.number_of_edges() == 4 * 4 + 3 * 5
    assert nx.is_isomorphic(graph, expected)


def test_people_stay_unconnected():
    graph = nx.Graph(window_topology(make_clips(1).skeleton, window=3, bodies=2).tolist())
    assert sorted(len(part) for part in nx.connected_components(graph)) == [15, 15]


def test_windows_spread_over_the_clips_own_frames():
    rows = window_rows(torch.tensor([0, 100, 200]), torch.tensor([100, 7, 3]), windows=4, window=5)
    assert rows[0, :, 0].tolist() == [0, 32, 63, 95]
    assert rows[0, -1].tolist() == [95, 96, 97, 98, 99]
    assert rows[1, :, 0].tolist() == [100, 101, 101, 102]  # fewer places than windows: they repeat
    assert rows[2].tolist() == [[200, 201, 202, 202, 202]] * 4  # too short: the last frame is held


def test_labels_ignore_where_the_body_stands_and_its_size():
    clips = make_clips(6)
    moved = make_clips(6)
    moved.joints[:] = moved.joints * 1.7 + np.float32([3, -2, 5])
    one, other = (skeleton_graphs(c, bin_size=0.5, windows=8) for c in (clips, moved))
    same = (one.labels() == other.labels()).float().mean()
    assert same > 0.99  # rounding may move a coordinate over an edge


def test_labels_follow_the_pose():
    graphs = skeleton_graphs(make_clips(6), bin_size=0.5, windows=8, window=2)
    labels = graphs.labels().reshape(6, 8, 2, 5)
    assert len(labels[..., 1].unique()) > 4  # the joint that swings
    assert len(labels[..., 2].unique()) <= 3  # one that rests, but for noise
    assert len(set(labels[..., 1].flatten().tolist()) & set(labels[..., 2].flatten().tolist())) == 0


@pytest.mark.parametrize("label", ["position", "bone", "motion"])
def test_labels_agree_with_their_definition(label):
    clips = make_clips(4)
    graphs = skeleton_graphs(clips, label=label, bin_size=0.25, windows=3, window=2)
    for clip in range(4):
        joints = clips.clip(clip)[:, 0].astype(np.float64)
        bones = joints[:, 1:] - joints[:, :-1]  # a chain, joint 0 its root
        size = np.median(np.linalg.norm(bones, axis=-1).mean(axis=-1))
        value = {
            "position": np.concatenate(
                [joints[:, :1] - joints[:1, :1], joints[:, 1:] - joints[:, :1]], axis=1
            )
            / size,
            "motion": np.diff(joints, axis=0, prepend=joints[:1]) / size,
            "bone": np.pad(bones / np.linalg.norm(bones, axis=-1, keepdims=True), ((0, 0), (1, 0), (0, 0))),
        }[label]
        cells = np.round(value / 0.25).astype(int) + 512
        expected = ((cells[..., 0] << 20) + (cells[..., 1] << 10) + cells[..., 2]) * 5 + np.arange(5)
        start = np.round(np.linspace(0, 1, 3) * (len(joints) - 2)).astype(int)
        expected = np.concatenate([expected[start], expected[start + 1]], axis=1)
        ours = graphs.labels(slice(3 * clip, 3 * clip + 3)).numpy()
        assert (ours == expected).mean() > 0.97  # float32 may round a value on a bin's edge the other way


@pytest.mark.parametrize(("label", "landmarks"), [("hands", [4, 1, 2]), ("feet", [0, 3, 5])])
def test_distances_to_landmarks(label, landmarks):
    names = ("hip", "l_hand", "r_hand", "LFoot", "head", "foot_right", "knee")
    edges = ((1, 0), (2, 0), (3, 0), (4, 0), (5, 6), (6, 0))
    clips = make_clips(2, joints=7)
    clips = replace(clips, skeleton=replace(clips.skeleton, joint_names=names, edges=edges))
    pose = poses(clips)
    found = features(pose.position, pose.position, pose.skeleton, label)
    centred = pose.position.clone()
    centred[..., 0, :] = 0
    assert torch.allclose(found, torch.cdist(centred, centred[..., landmarks, :]), atol=1e-5)
    turned = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert torch.allclose(
        features(pose.position @ turned, pose.position, pose.skeleton, label), found, atol=1e-5
    )


def test_every_kind_of_label_is_an_option():
    assert get_args(NodeLabel) == LABEL_KINDS


def test_degree_only_makes_all_graphs_one():
    labels = skeleton_graphs(make_clips(6), label="degree", windows=4, window=3).labels()
    assert (labels == labels[0]).all()
    graph = nx.Graph(window_topology(make_clips(1).skeleton, 3).tolist())
    assert labels[0].tolist() == [graph.degree(v) for v in range(15)]


def mixed_clips():
    """Clips of one person, but for clips 1 and 4, which have two."""
    two = make_clips(6, bodies=2)
    kept = [two.clip(i) if i in (1, 4) else two.clip(i)[:, :1] for i in range(6)]
    bodies = np.array([1, 2, 1, 1, 2, 1])
    rows = [clip.reshape(-1, 5, 3) for clip in kept]
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return replace(two, joints=np.concatenate(rows), offsets=offsets, bodies=bodies)


def test_two_people_are_left_out_and_named():
    graphs = skeleton_graphs(mixed_clips(), windows=3)
    assert graphs.kept.tolist() == [0, 2, 3, 5]
    assert [(drop.name, "2 people" in drop.reason) for drop in graphs.dropped] == [
        ("clip001", True),
        ("clip004", True),
    ]
    assert len(graphs) == 12


def test_only_the_clips_that_are_named_in_their_order():
    clips = mixed_clips()
    graphs = skeleton_graphs(clips, windows=3, index=np.array([5, 1, 2]))
    assert graphs.kept.tolist() == [5, 2]
    assert [drop.name for drop in graphs.dropped] == ["clip001"]
    assert torch.equal(graphs.labels(), skeleton_graphs(clips, windows=3).select(np.array([3, 1])).labels())
    with pytest.raises(ValueError, match="index"):
        skeleton_graphs(poses(clips), index=np.array([0]))


@pytest.mark.parametrize("label", LABEL_KINDS)
def test_frames_labelled_in_parts(label, monkeypatch):
    whole = skeleton_graphs(make_clips(6), windows=3, label=label)
    monkeypatch.setattr("skelbench.graph2vec.graphs._FRAMES", 7)
    assert torch.equal(skeleton_graphs(make_clips(6), windows=3, label=label).labels(), whole.labels())


def test_two_people_as_two_components():
    clips = mixed_clips()
    graphs = skeleton_graphs(clips, windows=3, window=2, two_person="disjoint")
    assert graphs.kept.tolist() == list(range(6))
    labels = graphs.labels().reshape(6, 3, 2, 2, 5)
    assert (labels[[0, 2, 3, 5], :, :, 1] == ABSENT).all()
    assert (labels[[1, 4]] != ABSENT).all()
    alone = skeleton_graphs(clips, windows=3, window=2).labels().reshape(4, 3, 2, 5)
    assert torch.equal(labels[[0, 2, 3, 5], :, :, 0], alone)


def test_selection_and_content():
    graphs = skeleton_graphs(make_clips(6), windows=3)
    chosen = graphs.select(np.array([4, 1]))
    assert torch.equal(chosen.labels(), graphs.labels(np.array([12, 13, 14, 3, 4, 5])))
    assert chosen.kept.tolist() == [4, 1]


def test_batches_are_the_same_graphs():
    clips = poses(make_clips(6))
    order = torch.tensor([5, 0, 3])
    batches = LabelBatches(clips, order, (("position", 0.5), ("motion", 0.2)), windows=4, window=3, shear=0.3)
    batch = batches.batch(torch.tensor([2, 0]), training=False)
    for channel, (label, bin_size) in enumerate(batches.labellings):
        graphs = skeleton_graphs(clips, windows=4, window=3, label=label, bin_size=bin_size)
        assert torch.equal(batch[:, :, channel].flatten(0, 1), graphs.select(np.array([3, 5])).labels())
    torch.manual_seed(0)
    assert not torch.equal(batches.batch(torch.tensor([2, 0]), training=True), batch)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"windows": 0}, "windows"),
        ({"window": 0}, "window"),
        ({"bin_size": 0.0}, "bin_size"),
        ({"bin_size": float("nan")}, "bin_size"),
        ({"label": "colour"}, "position, bone, motion, hands, feet, degree"),
        ({"two_person": "merge"}, "drop, disjoint"),
    ],
)
def test_settings_that_cannot_be(setting, message):
    with pytest.raises(ValueError, match=message):
        skeleton_graphs(make_clips(3), **setting)


def test_clips_that_cannot_be():
    clips = make_clips(3)
    with pytest.raises(DataError, match="more than one person"):
        skeleton_graphs(make_clips(3, bodies=2))
    with pytest.raises(DataError, match=r"bone \(5, 1\)"):
        skeleton_graphs(replace(clips, skeleton=replace(clips.skeleton, edges=((5, 1),))))
    with pytest.raises(DataError, match="no bones"):
        skeleton_graphs(replace(clips, skeleton=replace(clips.skeleton, edges=())))
    clips.joints[clips.offsets[2] + 1, 0, 0] = np.nan
    with pytest.raises(DataError, match="clip002: a non-finite coordinate"):
        skeleton_graphs(clips)
    clips.joints[clips.offsets[2] :] = 1
    with pytest.raises(DataError, match="clip002: no extent"):
        skeleton_graphs(clips)


@pytest.mark.parametrize(
    ("name", "nodes"), [("nw_ucla.npz", 100), ("hdm05_11.npz", 155), ("sbu_interaction.npz", 150)]
)
def test_real_skeletons_give_the_words_of_networkx(real_data, name, nodes):
    """Subtrees of real poses, over all graphs, are told apart as networkx tells them apart."""
    clips = load(real_data(name))
    chosen = clips.select(np.arange(0, len(clips), len(clips) // 12))
    graphs = skeleton_graphs(chosen, windows=4, bin_size=1.5, two_person="disjoint")
    assert graphs.nodes == nodes
    labels = graphs.labels()
    ours = wl_subtrees(labels, graphs.edges, 2)
    pairs: list[set[tuple[int, str]]] = [set(), set()]
    for row, tokens in zip(labels.tolist(), ours.tolist(), strict=True):
        graph = nx.Graph(graphs.edges.tolist())
        nx.set_node_attributes(graph, {v: f"{label:020d}" for v, label in enumerate(row)}, "label")
        theirs = nx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="label", iterations=2)
        for depth in (1, 2):
            pairs[depth - 1] |= {(tokens[depth][v], hashes[depth - 1]) for v, hashes in theirs.items()}
    for depth in pairs:
        assert len(depth) > 100
        assert len({ours for ours, _ in depth}) == len({theirs for _, theirs in depth}) == len(depth)


def gone(present: np.ndarray):
    """Clips of two people whose second is there in the frames that `present` (T,) names, as far as a clip goes."""
    clips = make_clips(6, bodies=2)
    joints = clips.joints.copy()
    for index in range(6):
        block = joints[clips.offsets[index] : clips.offsets[index + 1]].reshape(-1, 2, 5, 3)
        block[~present[: len(block)], 1] = 0
    return replace(clips, joints=joints)


@pytest.mark.parametrize("share", ["late", "early", "rarely", "once"])
def test_a_body_that_comes_and_goes(share):
    frames = np.arange(20)
    there = {"late": frames > 5, "early": frames < 2, "rarely": frames % 4 == 1, "once": frames == 3}[share]
    clips = gone(there)
    graphs = skeleton_graphs(clips, windows=4, window=3, two_person="disjoint")
    whole = skeleton_graphs(make_clips(6, bodies=2), windows=4, window=3, two_person="disjoint")
    labels = graphs.frame_labels.reshape(-1, 2, 5)
    expected = np.concatenate([there[:count] for count in clips.frames])
    np.testing.assert_array_equal((labels[:, 1] != ABSENT).all(dim=-1).numpy(), expected)
    np.testing.assert_array_equal((labels[:, 1] != ABSENT).any(dim=-1).numpy(), expected)
    assert torch.equal(labels[:, 0], whole.frame_labels.reshape(-1, 2, 5)[:, 0])
    batches = LabelBatches(
        poses(clips, "disjoint"), torch.arange(6), labellings=(("position", 1.0),), windows=4, window=3
    )
    assert torch.equal(batches.batch(torch.arange(6), False)[:, :, 0].flatten(0, 1), graphs.labels())


def test_an_absent_body_does_not_set_the_scale():
    clips = gone(np.arange(20) % 4 == 1)
    pose = poses(clips, "disjoint")
    for index in range(6):
        body = clips.clip(index)[:, 1]
        there = body.any(axis=(1, 2))
        size = np.median(np.linalg.norm(body[there, 1:] - body[there, :-1], axis=-1).mean(axis=-1))
        begin = int(pose.first[index])
        found = pose.position[begin : begin + len(body), 1, 1:].numpy()[there] * size
        np.testing.assert_allclose(found, body[there, 1:] - body[there, :1], atol=1e-5)


def test_a_first_body_that_comes_late_moves_from_where_it_is_first_seen():
    clips = make_clips(6)
    joints = clips.joints.copy() + np.float32([5, 0, 0])
    joints[clips.offsets[2] : clips.offsets[2] + 3] = 0
    pose = poses(replace(clips, joints=joints))
    begin = int(pose.first[2])
    assert not pose.present[begin : begin + 3].any()
    torch.testing.assert_close(pose.position[begin : begin + 4, 0, 0], torch.zeros(4, 3))


def test_a_clip_of_nobody_is_named():
    clips = make_clips(6)
    joints = clips.joints.copy()
    joints[clips.offsets[2] : clips.offsets[3]] = 0
    with pytest.raises(DataError, match="clip002: nobody in any frame"):
        poses(replace(clips, joints=joints))
