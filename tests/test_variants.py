"""The registry: every row can be built, and names are chosen as the command line says."""

import pkgutil

import pytest

from skelbench.training.settings import Settings
from skelbench.variants import VARIANTS, choose


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
