"""`skelbench export`: a trained model as a file that needs no skelbench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from skelbench.options import Seed, require_in_range


@dataclass(frozen=True)
class Export:
    """Write a model of a finished run as ONNX (.onnx) or as a torch.export program (.pt2).

    The file takes padded float32 clips and gives class scores and representations; any number of clips, and for rows on
    resampled clips any number of frames. It is held against the model on real clips before it is kept. ONNX needs the
    extra: pip install 'skelbench[export]'. Examples:

      skelbench export runs/one tcn tcn.onnx
      skelbench export runs/one conmlp-supcon supcon.pt2 --seed 1 --data nw_ucla.npz
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Output folder of skelbench eval."""
    variant: Annotated[str, tyro.conf.Positional]
    """Which of the run's variants."""
    file: Annotated[Path, tyro.conf.Positional]
    """What to write: FILE.onnx or FILE.pt2."""
    seed: Seed | None = None
    """Which of its seeds. Default: the smallest."""
    fold: str | None = None
    """Of a cross-validation, which fold's model. Default: the first."""
    data: Path | None = None
    """Clips on which file and model are compared, of any known format. Default: made-up ones."""


def run(options: Export, words: Sequence[str]) -> int:
    """Load, write, compare, print."""
    from skelbench.exporting import export
    from skelbench.loading import load

    require_in_range(options)
    encoder = load(options.run, options.variant, options.seed, fold=options.fold)
    written = export(encoder, options.file, options.data)
    print(f"{written.path}: {written.bytes / 1e6:.2f} MB")
    for name, shape in written.inputs.items():
        print(f"  input {name} {shape}")
    print(f"  outputs logits (clips, {len(encoder.class_names)}), representation")
    print(
        f"  largest difference from the model on {written.clips} clips: {written.difference:.1e} of its largest output"
    )
    return 0
