"""The ops in other people's loops: Inductor, export, forked workers, threads, pickles, a grid search."""

from __future__ import annotations

import concurrent.futures
import pickle
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from torch import Tensor
from torch.utils.data import DataLoader

from skelbench import losses, ops
from skelbench.graph2vec import Graph2Vec
from skelbench.models.conmlp import ConMLP, InputShape
from tests.csrc.conftest import COMPILER
from tests.ops.places import needs_extension
from tests.ops.test_contrastive import sample
from tests.ops.test_ragged import make_clips as ragged_clips

pytestmark = needs_extension
CLIPS = ragged_clips(30, dtype=torch.float32)


class Step(torch.nn.Module):
    """From clips to a loss: every op that a training step calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(12, CLIPS.features) / 20)
        self.bias = torch.nn.Parameter(torch.zeros(12))
        self.loss = losses.TCLLoss(0.2, k1=3.0)

    def forward(self, labels: Tensor) -> Tensor:
        """The loss of the clips under these labels."""
        return self.loss(F.gelu(ops.ragged_linear(CLIPS, self.weight, self.bias)), labels)


def gradients(step: Step, value: Tensor) -> list[Tensor]:
    return [value.detach(), *torch.autograd.grad(value, list(step.parameters()))]


LABELS = torch.arange(30) % 4


@pytest.mark.skipif(COMPILER is None, reason="Inductor needs a C++ compiler")
def test_inductor_gives_the_same_loss_and_gradients() -> None:
    step = Step()
    compiled = torch.compile(step, fullgraph=True)
    for labels in (LABELS, LABELS.flip(0)):
        torch.testing.assert_close(gradients(step, compiled(labels)), gradients(step, step(labels)))


def test_an_exported_step_is_saved_and_loaded(tmp_path: Path) -> None:
    step = Step()
    torch.export.save(torch.export.export(step, (LABELS,)), tmp_path / "step.pt2")
    loaded = torch.export.load(tmp_path / "step.pt2").module()
    torch.testing.assert_close(loaded(LABELS), step(LABELS))


def views_and_trees(index: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """What a worker computes with the ops: both views of some clips, their subtrees, and a loss."""
    chosen = torch.tensor(index)
    shear, reverse = ops.draw(len(index), torch.Generator().manual_seed(index[0]))
    nodes = torch.arange(7 * len(index)).view(len(index), 7) % 5
    edges = torch.tensor([(i, i + 1) for i in range(6)])
    z, labels = sample(300, 16, 9, seed=index[0])
    value = ops.contrastive_loss(z.requires_grad_(), labels)
    (gradient,) = torch.autograd.grad(value, z)
    return ops.augment(CLIPS, chosen, shear, reverse).joints, ops.wl_subtrees(nodes, edges), gradient


def test_forked_workers_of_a_loader() -> None:
    """After the parent has started the threads of the ops, which a fork does not inherit."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        index = [list(range(first, first + 6)) for first in range(0, 30, 6)]
        here = [views_and_trees(each) for each in index]
        loader = DataLoader(
            range(30), batch_size=6, num_workers=2, collate_fn=views_and_trees, timeout=120,
            multiprocessing_context="fork",
        )  # fmt: skip
        for expected, found in zip(here, loader, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    finally:
        torch.set_num_threads(before)


def test_threads_that_share_a_model() -> None:
    step = Step()
    expected = gradients(step, step(LABELS))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: gradients(step, step(LABELS)), range(16)):
            assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_model_and_its_loss_are_pickled() -> None:
    torch.manual_seed(0)
    model = torch.nn.ModuleList([ConMLP(InputShape(9, 2, 5, 3)).eval(), losses.SupConLoss()])
    encoder, loss = pickle.loads(pickle.dumps(model))
    torch.testing.assert_close(loss(encoder(CLIPS), LABELS), model[1](model[0](CLIPS), LABELS))


def test_a_grid_search_over_the_graph_embedding() -> None:
    graphs = [nx.gnp_random_graph(10 + i % 7, 0.2 + 0.3 * (i % 2), seed=i) for i in range(40)]
    sparse = np.arange(40) % 2
    embed = Graph2Vec(epochs=4, node_attribute=None, min_count=1)
    pipeline = Pipeline([("embed", embed), ("classify", LogisticRegression(max_iter=200))])
    search = GridSearchCV(pipeline, {"embed__dimensions": [4, 16], "classify__C": [0.1, 10.0]}, cv=3)
    search.fit(graphs, sparse)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_["embed"].vectors_.shape == (40, search.best_params_["embed__dimensions"])
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(again.predict(graphs), search.predict(graphs))
