"""Probing features that were computed elsewhere: the same probes, protocols, tests and pages as for our own rows."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skelbench.data import Clips
from skelbench.data.features import read_features
from skelbench.data.splits import OWN
from skelbench.eval.config import Config, ConfigError
from skelbench.eval.inputs import load_splits
from skelbench.eval.machine import make_fabric
from skelbench.eval.progress import Progress
from skelbench.eval.runner import Loaded, work
from skelbench.runs.results import GROUPS, Group, Results
from skelbench.training.settings import PRESETS, Settings
from skelbench.training.variant import Variant
from skelbench.variants import choose

FAMILY = "features"
_RECIPES = "skelbench.training.features"


def probe(
    features: Clips | str | os.PathLike[str],
    protocol: str = OWN,
    *,
    name: str | None = None,
    group: Group = "self-supervised",
    seeds: int | Sequence[int] = (0,),
    settings: Settings = PRESETS["quick"],
    device: str = "auto",
    threads: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Results:
    """Linear probes and kNN-1 on features, as a run with its folder and page.

        from skelbench.eval import probe
        results = probe("features.npz", "xview", out="runs/theirs")

    Two rows, since our rows have two probes: NAME-linear, by SGD as for the ConMLP rows, and NAME-penalised, whose
    penalty is chosen on the training clips as for the rows on resampled clips; and the majority class.

    Args:
        features: an npz as `skelbench probe --help` describes it, or what `skelbench.data.features.features_of` makes
            of arrays.
        protocol: "file" for the split that the file brings; xview, xsub, loso, ... for one by camera or subject.
        name: of the features in tables; None: the file's.
        group: which rows they stand beside: what their encoder was trained with.
        seeds: of the probe by SGD: its first weights and the order of its batches.
        settings: `probe_epochs`, `probe_batch_size` and `probe_lr` count.
        device: cpu, cuda, ... or auto.
        threads: of the CPU; None: what torch takes.
        out: folder of the run; None: a new one under runs/.
        progress: told of every epoch and score.

    Raises:
        SkelbenchError: one line that says what is wrong and what to do.
    """
    if group not in GROUPS:
        raise ConfigError(f"--group is {group!r}: it must be one of {', '.join(GROUPS)}")
    clips = features if isinstance(features, Clips) else read_features(features)
    path = None if isinstance(features, Clips) else Path(features)
    key = (
        re.sub(r"[^A-Za-z0-9._]+", "-", name or (path.stem if path else clips.dataset)).strip("-.")
        or "features"
    )
    variants = (*_rows(key, name or key, group), *choose(("majority",)))
    config = Config(
        protocol=protocol,
        data=path,
        variants=tuple(row.key for row in variants),
        seeds=(seeds,) if isinstance(seeds, int) else tuple(seeds),
        settings=settings,
        device=device,
        threads=threads,
        out=None if out is None else Path(out),
    )
    config.check()
    loaded = Loaded(clips, load_splits(clips, config, protocol), make_fabric(config))
    return work(config, variants, loaded, progress or Progress(), lambda done: _command(done, name, group))


def _rows(key: str, title: str, group: Group) -> tuple[Variant, Variant]:
    linear = Variant(f"{key}-linear", f"{title}, linear probe", group, f"{_RECIPES}:trained_probe")
    chosen = Variant(
        f"{key}-penalised", f"{title}, penalised linear probe", group, f"{_RECIPES}:chosen_probe"
    )
    return (
        replace(linear, family=FAMILY, table="Features"),
        replace(chosen, family=FAMILY, table="Features"),
    )


def _command(config: Config, name: str | None, group: Group) -> str:
    """The command line that makes the run; of arrays in memory there is none, and the call is named."""
    if config.data is None:
        return "skelbench.eval.probe(...) on arrays"
    base, settings = PRESETS["quick"], config.settings
    words = ["skelbench", "probe", str(config.data), config.protocol, "--group", group]
    words += ["--name", name] if name else []
    words += ["--seeds", ",".join(map(str, config.seeds))]
    for option in ("probe_epochs", "probe_batch_size", "probe_lr"):
        if (value := getattr(settings, option)) != getattr(base, option):
            words += [f"--{option.replace('_', '-')}", str(value)]
    for option in ("device", "threads", "out"):
        if (value := getattr(config, option)) not in (None, "auto"):
            words += [f"--{option}", str(value)]
    return shlex.join(words)
