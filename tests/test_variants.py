"""The registry: every row can be built, and names are chosen as the command line says."""

import pkgutil

import pytest
import torch

from skelbench.models.conmlp import InputShape, RaggedInput
from skelbench.training.settings import Settings
from skelbench.training.task import top1
from skelbench.variants import VARIANTS, Variant, choose
from tests.training.test_recipes import task_of


class MarginLoss(torch.nn.Module):
    """A loss of a user's own: pulls positives to a margin, pushes the others apart."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.margin = temperature

    def forward(self, embeddings, labels):
        similarity = embeddings @ embeddings.T
        same = labels[:, None] == labels[None, :]
        return torch.where(same, 1 - similarity, (similarity - self.margin).clamp(min=0)).mean()


class WideMLP(torch.nn.Module):
    """An encoder of a user's own."""

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        self.width = 32
        self.first = RaggedInput(shape.features, self.width)

    def forward(self, clips):
        return torch.relu(self.first(clips))


def test_a_loss_and_an_encoder_of_ones_own_are_one_row(tiny_clips):
    row = Variant(
        "wide-margin",
        "Wide MLP, margin loss",
        "supervised",
        "skelbench.training.encoder:contrastive_then_probe",
        encoder="tests.test_variants:WideMLP",
        loss="tests.test_variants:MarginLoss",
        loss_options=("temperature",),
    )
    task = task_of(tiny_clips)
    fitted = row.fit(task)
    assert fitted.test_representations is not None
    assert fitted.test_representations.shape == (24, 32)
    assert top1(fitted.test_logits, task.data.label[task.test]) > 0.6


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: row.key)
def test_every_row_names_things_that_exist(row):
    for name in (row.recipe, row.encoder, row.loss):
        if name is not None:
            assert callable(pkgutil.resolve_name(name))
    for option in row.loss_options:
        assert hasattr(Settings(), option)


def test_keys_are_unique_and_name_files():
    keys = [row.key for row in VARIANTS]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("-", "").isalnum() for key in keys)


def test_choose_takes_keys_and_groups_in_the_order_of_the_registry():
    assert [row.key for row in choose(["majority", "conmlp-supcon"])] == ["conmlp-supcon", "majority"]
    assert {row.group for row in choose(["self-supervised"])} == {"self-supervised"}
    assert choose(["all"]) == VARIANTS


def test_choose_lists_what_there_is_when_it_does_not_know_a_name():
    with pytest.raises(ValueError, match=r"unknown variant 'conmpl'.*conmlp-supcon.*self-supervised"):
        choose(["conmpl"])
