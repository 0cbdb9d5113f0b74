"""`skelbench.load`: a trained encoder of a finished run."""

from __future__ import annotations

import os

from skelbench.runs.folder import RunFolder
from skelbench.training.built import WeightsError
from skelbench.training.trained import Encoder
from skelbench.training.variant import Variant
from skelbench.training.weights import load as load_weights
from skelbench.variants import VariantError, choose


def load(
    run: str | os.PathLike[str],
    variant: str | Variant,
    seed: int | None = None,
    device: str = "cpu",
    fold: str | None = None,
) -> Encoder:
    """The encoder that a run trained.

        encoder = skelbench.load("runs/one", "conmlp-supcon")
        encoder.represent("nw_ucla.npz")  # float32 (clips, 256)

    A weights file holds no code: the model's classes come from the registry's row.

    Args:
        run: output folder of `skelbench eval`.
        variant: key of the variant, "conmlp-supcon" or "sgn+streams" for instance, or "module:ROW"; the row itself
            where the registry does not know it.
        seed: which of its seeds; None takes the smallest.
        device: where it shall run.
        fold: of a cross-validation, which fold's encoder, "subject-3" for instance; None takes the first.

    Raises:
        WeightsError: no such weights, or a file that this version cannot read; the message says what there is.
        VariantError: the registry has no such row.
    """
    folder = RunFolder.at(run)
    key = variant.key if isinstance(variant, Variant) else variant
    row = variant if isinstance(variant, Variant) else None
    if ":" in key or "+" in key:
        (row,) = choose((key,))
        key = row.key
    found = folder.weights_found()
    fitting = [
        (number, part)
        for name, number, part in found
        if name == key and seed in (None, number) and fold in (None, part)
    ]
    if not fitting:
        have = ", ".join(
            f"{name} (seed {number}{', ' + part if part else ''})" for name, number, part in found
        )
        wanted = key + ("" if seed is None else f" with seed {seed}") + (f", fold {fold}" if fold else "")
        raise WeightsError(f"{folder.path} has no weights of {wanted}; it has {have or 'none'}")
    return load_weights(folder.weights(key, *fitting[0]), row or _row(key), device)


def _row(key: str) -> Variant:
    rows = [row for row in choose(("all",)) if row.key == key]
    if not rows:
        raise VariantError(
            f"no row '{key}' is registered: install the package that defines it, or pass the row itself, "
            "load(run, ROW) or 'module:ROW'"
        )
    return rows[0]
