"""LSTM and GRU classifiers of sequences of vectors."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

Cell = Literal["lstm", "gru"]


class SequenceClassifier(nn.Module):
    """Stacked LSTM or GRU over a sequence; a linear layer maps the last layer's last state to class scores.

    The defaults are those of the NITAP report (see `models.conmlp`). With them LSTM and GRU differ by 1,379,328
    parameters, a fourth of the LSTM's gates.
    """

    def __init__(
        self,
        classes: int,
        cell: Cell = "lstm",
        input: int = 128,
        hidden: int = 512,
        layers: int = 3,
        dropout: float = 0.2,
    ) -> None:
        """Make a classifier.

        Args:
            classes: number of classes.
            cell: "lstm" or "gru".
            input: length of each vector of the sequence.
            hidden: units per layer.
            layers: number of recurrent layers.
            dropout: between layers and before the linear layer.

        Raises:
            ValueError: another cell.
        """
        super().__init__()
        if cell not in get_args(Cell):
            raise ValueError(f"cell: expected one of {', '.join(get_args(Cell))}, got {cell!r}")
        recurrent = nn.LSTM if cell == "lstm" else nn.GRU
        between = dropout if layers > 1 else 0.0
        self.recurrent = recurrent(input, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits (B, classes) of sequences (B, T, input)."""
        states, _ = self.recurrent(sequence)
        logits: Tensor = self.linear(self.dropout(states[:, -1]))
        return logits
