"""Several processes compute what one does: losses, all gradients, weights after 20 steps, and every test clip once."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import skelbench.data
from skelbench import ops
from skelbench.parallel.ranks import ALONE
from skelbench.training.tensors import load_tensors
from tests.conftest import make_clips, one_thread
from tests.parallel import work
from tests.parallel.group import Group

LEVELS = [*(ops.isa_levels() if ops.built else [""])[-1:], "scalar"]
SIZES = {2: [(5, 5), (16, 3), (4, 0)], 4: [(16, 16, 16, 3), (1, 1, 1, 0), (2, 5, 3, 7)]}
# Rows with contrastive losses, a decoder, cross-entropy, graphs, batch normalisation, mixed clips, and other cameras.
ROWS = (
    "conmlp-ntxent", "conmlp-supcon", "conmlp-tcl", "conmlp-recon", "conmlp-recon-self", "conmlp-ce",
    "graph2vec-lstm", "wl-bag-gru", "tcn", "tcn-predict", "tcn-multiview",
)  # fmt: skip
# Of each way to train one, with shares that are empty in the last batch.
FOUR = ("conmlp-recon-self", "wl-bag-gru", "tcn", "tcn-predict")
# With batch normalisation, which amplifies rounding: twenty steps of float32 differ by 1e-5 (tcn) to 0.1 (ctr-gcn).
NORMALISED = ("tcn", "tcn-predict", "tcn-multiview")
# The deep ones differ by up to 1.5e-4 after one.
DEEP = ("sgn", "sit-mlp", "stgcn", "ctr-gcn")
# On two instruction sets.
TWICE = ("conmlp-ntxent", "conmlp-recon")

_one_thread = pytest.fixture(one_thread, autouse=True, scope="module")


@pytest.fixture(scope="module", params=[2, 4])
def group(request, tmp_path_factory):
    processes = Group(request.param, tmp_path_factory.mktemp("group"))
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """102 clips of few frames, each performance seen by two cameras: 51 to train with."""
    path = tmp_path_factory.mktemp("data") / "tiny"
    clips = replace(make_clips(clips=102, classes=3), subject=1 + np.arange(102) // 6)
    skelbench.data.save(clips, path)
    return path


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """What one process finds, each row once."""
    found = {}

    def run(key, isa="", **changes):
        if (name := (key, isa, *changes.values())) not in found:
            checkpoint = tmp_path_factory.mktemp("alone") / "checkpoint.safetensors"
            found[name] = work.train(ALONE, key, data, checkpoint, isa, **changes)
        return found[name]

    return run


def close(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_exchanges_take_parts_of_any_size_and_have_gradients(group):
    for sizes in SIZES[group.size]:
        draw = torch.Generator().manual_seed(0)
        rows = torch.randn(sum(sizes), 3, generator=draw, dtype=torch.float64)
        weights = torch.randn(group.size, sum(sizes), 3, generator=draw, dtype=torch.float64)
        scattered = 2 * weights.sum(0)
        totals = torch.stack([part.sum(0) + rank for rank, part in enumerate(rows.split(sizes))]).sum(0)
        ends = np.cumsum(sizes)
        grad = torch.cat([part * (1 + rank) for rank, part in enumerate(scattered.split(sizes))])
        for rank, found in enumerate(group(work.exchanges, sizes)):
            own = slice(ends[rank] - sizes[rank], ends[rank])
            close(found[0], rows, 1e-12)
            close(found[1], (2 * rows * weights.sum(0))[own], 1e-12)
            close(found[2], weights.sum(0)[own], 1e-12)
            close(found[3], grad, 1e-12)
            close(found[4], totals, 1e-12)
            close(found[5], 2 * totals * sum(range(1, group.size + 1)), 1e-12)


@pytest.mark.parametrize("name", ["NTXentLoss", "SupConLoss", "TCLLoss"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_the_loss_and_its_gradient_are_those_of_the_global_batch(name, dtype, tolerance, group):
    for sizes in SIZES[group.size]:
        for isa in LEVELS:
            rows, labels, layer = work.batch(sizes, dtype)
            with ops.use_isa(isa):
                whole = getattr(work.losses, name)()(layer(rows), labels)
            whole.backward()
            parts = group(work.global_loss, name, sizes, dtype, isa, "sum")
            close(sum(value for value, _ in parts), whole.item(), tolerance)
            close(sum(grad for _, grad in parts), layer.weight.grad, tolerance)
            averaged = group(work.global_loss, name, sizes, dtype, isa, "mean")
            close(sum(grad for _, grad in averaged) / group.size, layer.weight.grad, tolerance)


def test_another_loss_is_computed_from_all_rows(group):
    for sizes in SIZES[group.size]:
        rows, labels, layer = work.batch(sizes, torch.float64)
        whole = work.OtherLoss()(layer(rows), labels)
        whole.backward()
        found = group(work.other_loss, sizes)
        close(sum(value for value, _ in found), whole.item(), 1e-10)
        close(sum(part for _, part in found), layer.weight.grad, 1e-10)


def test_an_encoder_of_another_package_is_trained_on_whole_clips(group, data, tmp_path):
    alone = work.train(ALONE, "conmlp-recon-self", data, tmp_path / "alone.safetensors", whole_clips=True)
    found = group(work.train, "conmlp-recon-self", data, tmp_path / "all.safetensors", whole_clips=True)
    for name, value in alone["checkpoint"].items():
        close(found[0]["checkpoint"][name].astype(np.float64), value.astype(np.float64))


def test_a_batch_normalisation_sees_all_rows(group):
    for sizes in SIZES[group.size]:
        whole = work.norms(ALONE, (sum(sizes),))
        ends = np.cumsum(sizes)
        for rank, found in enumerate(group(work.norms, sizes)):
            own = slice(ends[rank] - sizes[rank], ends[rank])
            for place, (ours, theirs) in enumerate(zip(found, whole, strict=True)):
                close(ours, theirs[own] if place < 2 else theirs)


# One step: the optimizer's buffers are the gradients.
ONE_STEP = dict.fromkeys(("epochs", "sequence_epochs", "stream_epochs"), 1) | dict.fromkeys(
    ("batch_size", "sequence_batch_size", "stream_batch_size"), 51
)


@pytest.mark.parametrize("key", ROWS)
def test_a_row_is_trained_as_by_one_process(key, group, data, alone, tmp_path):
    if group.size > 2 and key not in FOUR:
        pytest.skip("two processes show it")
    levels = LEVELS[: 1 + (key in TWICE)]
    levels = levels[: key not in NORMALISED]
    for isa, changes in [("", ONE_STEP), *((level, {"adam": False}) for level in levels)]:
        whole = alone(key, isa, **changes)
        found = group(work.train, key, data, tmp_path / f"{isa}{len(changes)}.safetensors", isa, **changes)
        for rank in found:
            close(rank["losses"], whole["losses"])
            if changes is not ONE_STEP:
                # A probe divides by the representations' deviation, which may be small.
                largest = np.abs(whole["logits"]).max()
                close(rank["logits"] / largest, whole["logits"] / largest, 1e-3)
            for name, value in found[0]["inference"].items():
                assert np.array_equal(rank["inference"][name], value), name
        assert found[0]["checkpoint"].keys() == whole["checkpoint"].keys()
        for name, value in whole["checkpoint"].items():
            if changes is ONE_STEP and name.startswith("model"):
                continue
            close(found[0]["checkpoint"][name].astype(np.float64), value.astype(np.float64))


@pytest.mark.parametrize("key", [*NORMALISED, *DEEP])
def test_a_row_with_batch_normalisation_is_trained_as_by_one_process(key, group, data, tmp_path):
    """In float64, but for losses, which are taken in float32: what twenty steps leave of rounding is 5e-8.

    Of four processes an epoch, which takes as long as five of two, and ends with a share that is empty.
    """
    epochs = work.SETTINGS.stream_epochs if group.size == 2 else 1
    options = {"adam": False, "double": True, "stream_frames": 8, "stop": epochs}
    found = []
    for run, name in ((partial(work.train, ALONE), "alone"), (partial(group, work.train), "several")):
        run(key, data, tmp_path / f"{name}.safetensors", **options)
        found.append(load_tensors(tmp_path / f"{name}.safetensors")[0])
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        close(found[1][name].double(), value.double(), 1e-6)


@pytest.mark.parametrize("key", ["conmlp-recon", "wl-bag-gru", "tcn"])
def test_a_training_goes_on_with_another_number_of_processes(key, group, data, alone, tmp_path):
    whole = alone(key, adam=False)
    begun = [tmp_path / name / "checkpoint.safetensors" for name in ("by-several", "by-one")]
    assert group(work.train, key, data, begun[0], adam=False, stop=2) == [{"stopped": 2}] * group.size
    work.train(ALONE, key, data, begun[1], adam=False, stop=2)
    for found in (
        work.train(ALONE, key, data, begun[0], adam=False),
        *group(work.train, key, data, begun[1], adam=False),
    ):
        close(found["losses"], whole["losses"])
        for name, value in found.get("checkpoint", {}).items():
            close(value.astype(np.float64), whole["checkpoint"][name].astype(np.float64))


def test_every_test_clip_is_computed_once(group, data):
    found = group(work.evaluate, data)
    task = work.task_of(ALONE, data, work.SETTINGS)
    seen = [clip for clips, _ in found for clip in clips]
    assert sorted(seen) == task.test.tolist()
    assert [len(clips) for clips, _ in found] == [
        len(task.test[rank :: group.size]) for rank in range(group.size)
    ]
    for _, outputs in found:
        assert outputs[:, 0].tolist() == task.test.tolist()


def test_a_clip_computed_twice_is_an_error(group):
    assert all("were to be computed once each" in message for message in group(work.collect_twice))
