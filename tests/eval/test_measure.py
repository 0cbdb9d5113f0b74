"""What a variant costs, as it is counted."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from skelbench.eval import measure
from skelbench.models.recurrent import SequenceClassifier
from tests.ops.places import DEVICES


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_product_of_a_recurrent_layer_is_counted(cell, device):
    model = SequenceClassifier(7, cell, input=12, hidden=20, layers=2).to(device)
    clips = torch.randn(3, 9, 12, device=device)
    fitted: Any = SimpleNamespace(inference=model, batch=lambda indices: clips[indices])
    recurrent = sum(x.numel() for name, x in model.recurrent.named_parameters() if "weight" in name)
    assert measure.macs(fitted, torch.tensor([1])) == 9 * recurrent + model.linear.weight.numel()
