"""A long training keeps the memory it had after its first epochs."""

from __future__ import annotations

import gc

import pytest

from skelbench.training.settings import Settings
from skelbench.variants import choose
from tests.memory import needs_statm, resident
from tests.training.test_recipes import task_of

pytestmark = needs_statm

EPOCHS = 200
FIRST = 50
# A log of an epoch is kept, by design; the weights of the smallest encoder are more than this each epoch.
ALLOWED = (EPOCHS - FIRST) * 4096


@pytest.mark.parametrize("key", ["conmlp-supcon", "conmlp-ce"])
def test_memory_is_flat_over_200_epochs(key, tiny_clips):
    measured = {}

    def measure(log):
        if log.stage == "train" and log.epoch in (FIRST, EPOCHS):
            gc.collect()
            measured[log.epoch] = resident()

    (row,) = choose([key])
    row.fit(task_of(tiny_clips, Settings(epochs=EPOCHS, batch_size=16, probe_epochs=1), on_epoch=measure))
    grown = measured[EPOCHS] - measured[FIRST]
    assert grown <= ALLOWED, f"{grown:,} bytes more after {EPOCHS} epochs"
