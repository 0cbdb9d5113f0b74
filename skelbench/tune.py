"""`python -m skelbench.tune VARIANT`: hyper-parameters, chosen on a part of the training clips."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

if TYPE_CHECKING:
    import numpy as np
    import optuna
    from numpy.typing import NDArray
    from torch import nn

    from skelbench.data import Clips, Split
    from skelbench.eval.config import Config
    from skelbench.training.settings import Settings
    from skelbench.training.task import Task
    from skelbench.variants import Variant

RANGES = {"lr": (1e-3, 0.3), "temperature": (0.01, 1.0), "k1": (1.0, 1e5), "k2": (0.01, 100.0)}
"""Searched on a logarithmic scale. The report's TCL: tau 0.1, k1 5000, k2 1."""
NAMES = {"lr": "rate", "temperature": "tau", "k1": "k1", "k2": "k2"}
LOOKS = 5  #: how often a trial is compared with others while it trains
HELD_OUT = 0.25  #: of the training cameras, set-ups, subjects or clips validate
ACROSS = {"xview": ("camera", 2), "xset": ("setup", 2)}
"""What a protocol tests across, and how many must be known for one to be held out; else it is people."""


@dataclass(frozen=True)
class Tune:
    """Search rate, tau, k1 and k2 of a variant with Optuna, with a budget of trials.

    Trials train on a part of the protocol's training clips and are scored on the rest of them, in the way that the
    protocol tests: another camera for xview, another set-up for xset, else other people, where the data know them;
    test clips are never looked at. Trials that lag are pruned. A study lies in --out and goes on where
    it was stopped; several commands, or --jobs, may work on it together. Examples:

      python -m skelbench.tune conmlp-tcl xview --data nw_ucla.npz --trials 40 --out runs/tune-tcl
      python -m skelbench.tune conmlp-supcon xview --data nw_ucla.npz --trials 40 --out runs/tune-supcon
    """

    variant: tyro.conf.Positional[str]
    """A trained variant: conmlp-tcl, conmlp-supcon, ..."""
    protocol: tyro.conf.Positional[str] = "xview"
    """Whose training clips are used."""
    data: Path | None = None
    """As for skelbench.eval. Default: the synthetic corpus."""
    trials: int = 30
    """Trials of the whole study, those of earlier commands included."""
    jobs: int = 1
    """Processes at work on the study."""
    epochs: int = 60
    """Passes over the clips, in every trial."""
    batch_size: int = 128
    probe_epochs: int = 50
    """Epochs of the linear probe that scores a trial."""
    align: Literal["none", "body"] = "none"
    """As for skelbench.eval."""
    drop_bad: bool = False
    """As for skelbench.eval."""
    seed: int = 0
    """Of training, of the search and of what is held out."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto."""
    threads: int | None = None
    """CPU threads of each process."""
    out: Path = Path("runs/tune")
    """Folder of the study (study.log), its best (best.json) and its page (tune.html)."""


class TuneError(ValueError):
    """A study that cannot be made or gone on with; one line."""


def searched(variant: Variant) -> tuple[str, ...]:
    """The hyper-parameters that matter to a variant."""
    return ("lr", *variant.loss_options)


def held_out(
    clips: Clips, protocol: str, train: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Clips to fit, clips to validate on, and the rule in words; both parts lie within `train`.

    What the protocol tests across is held out, so that what is chosen serves there: a camera (xview) or a set-up (xset)
    where two or more train, else whole subjects where at least three are known, else clips at random.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    for what, least in (*filter(None, [ACROSS.get(protocol)]), ("subject", 3)):
        owner = getattr(clips, what)[train]
        known = np.unique(owner)
        if len(known) >= least and known.min() > 0:
            chosen = np.sort(rng.permutation(known)[: max(1, round(HELD_OUT * len(known)))])
            rule = f"{len(chosen)} of the {len(known)} training {what}s ({', '.join(map(str, chosen))})"
            mask = np.isin(owner, chosen)
            return train[~mask], train[mask], rule
    mask = np.zeros(len(train), dtype=bool)
    mask[rng.permutation(len(train))[: max(1, round(HELD_OUT * len(train)))]] = True
    return train[~mask], train[mask], f"{HELD_OUT:.0%} of the training clips, drawn at random"


class Study:
    """An Optuna study on one variant and one dataset."""

    def __init__(self, options: Tune) -> None:
        import torch

        from skelbench.eval import runner
        from skelbench.training.dataset import PackedDataset
        from skelbench.variants import choose

        self.options = options
        if options.trials < 1 or options.jobs < 1:
            raise TuneError("--trials and --jobs must be above 0")
        rows = choose((options.variant,))
        if len(rows) != 1 or rows[0].encoder is None or rows[0].group == "control":
            raise TuneError(
                f"{options.variant} has nothing to tune: name one trained variant, conmlp-tcl for instance"
            )
        self.variant = rows[0]
        config = self._config()
        self.settings: Settings = config.settings()
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self.fabric = runner.make_fabric(config)
        self.clips, self.split = _data(config)
        self.fit, self.validation, self.rule = held_out(
            self.clips, self.split.protocol, self.split.train, options.seed
        )
        self.dataset = PackedDataset(self.clips, self.fabric.device)
        self.study = self._open()

    def _config(self) -> Config:
        from skelbench.eval.config import Config

        names = (
            "protocol",
            "data",
            "epochs",
            "batch_size",
            "probe_epochs",
            "align",
            "drop_bad",
            "device",
            "threads",
        )
        return Config(**{name: getattr(self.options, name) for name in names})

    def _open(self) -> optuna.Study:
        """Create the study or take part in it.

        Raises:
            TuneError: the folder holds another study.
        """
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.options.out.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.options.out / "study.log"))),
            study_name="skelbench",
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=5, n_warmup_steps=self.options.epochs // LOOKS
            ),
        )
        identity = {
            name: getattr(self.options, name)
            for name in ("variant", "epochs", "batch_size", "probe_epochs", "align", "seed")
        } | {"protocol": self.split.protocol, "data": self.clips.content_hash}
        before = study.user_attrs.get("identity")
        if before is None:
            study.set_user_attr("identity", identity)
            own = {
                "lr": self.settings.lr,
                "temperature": 0.07,
                "k1": self.settings.k1,
                "k2": self.settings.k2,
            }
            own["temperature"] = 0.1 if "k1" in self.variant.loss_options else 0.07
            study.enqueue_trial({name: own[name] for name in searched(self.variant)})
        elif before != identity:
            changed = [
                f"{key} {before[key]} then, {identity[key]} now"
                for key in identity
                if before[key] != identity[key]
            ]
            raise TuneError(f"--out {self.options.out} holds another study: {'; '.join(changed)}")
        return study

    def work(self, worker: int = 0) -> None:
        """Run trials until the study has as many as wanted."""
        import optuna
        from optuna.study import MaxTrialsCallback
        from optuna.trial import TrialState

        done = (TrialState.COMPLETE, TrialState.PRUNED)
        finished = len(self.study.get_trials(deepcopy=False, states=done))
        if finished >= self.options.trials:
            return
        # Every worker and every resumption draws its own way, so that no trial is drawn twice.
        self.study.sampler = optuna.samplers.TPESampler(
            seed=self.options.seed + 1009 * worker + finished, constant_liar=True
        )
        self.study.optimize(
            self._trial, callbacks=[MaxTrialsCallback(self.options.trials, states=done)], catch=()
        )

    def _trial(self, trial: optuna.Trial) -> float:
        """Validation top-1 of the linear probe after training with what the trial suggests."""
        import optuna

        from skelbench.training.log import TrainingError
        from skelbench.training.task import top1

        chosen: dict[str, Any] = {
            name: trial.suggest_float(name, *RANGES[name], log=True) for name in searched(self.variant)
        }
        task = self._task(replace(self.settings, **chosen), trial)
        try:
            fitted = self.variant.fit(task)
        except TrainingError as error:
            trial.set_user_attr("stopped", str(error))
            raise optuna.TrialPruned(str(error)) from error
        return top1(fitted.test_logits, task.data.label[task.test])

    def _task(self, settings: Settings, trial: optuna.Trial) -> Task:
        import optuna
        import torch

        from skelbench.eval.metrics import knn1
        from skelbench.training.task import Task, in_batches

        device = self.fabric.device
        fit, validation = (torch.from_numpy(part).to(device) for part in (self.fit, self.validation))

        def watch(epoch: int, encoder: nn.Module) -> None:
            if epoch % max(1, settings.epochs // LOOKS) or epoch == settings.epochs:
                return
            own, other = (in_batches(encoder, self.dataset.batch, part).numpy() for part in (fit, validation))
            label = self.clips.label
            trial.report(knn1(own, label[self.fit], other, label[self.validation]), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return Task(
            self.clips, self.dataset, fit, validation, settings, self.options.seed, self.fabric, watch=watch
        )

    def finish(self) -> Path:
        """Write best.json and the page; returns the page's path."""
        import json

        from skelbench.eval import html

        best = self.study.best_trial
        command = self.command(best.params)
        (self.options.out / "best.json").write_text(
            json.dumps(
                {
                    "variant": self.variant.key,
                    "params": best.params,
                    "validation_top1": best.value,
                    "command": command,
                },
                indent=1,
            )
            + "\n"
        )
        path = self.options.out / "tune.html"
        html.save(self._page(best, command), path)
        return path

    def command(self, params: dict[str, float]) -> str:
        """The main job with these hyper-parameters: train on all training clips, score the test split once."""
        import shlex

        options = self.options
        words = ["python", "-m", "skelbench.eval", self.split.protocol]
        words += ["--data", str(options.data)] if options.data else []
        words += [
            "--variants",
            self.variant.key,
            "--epochs",
            str(options.epochs),
            "--batch-size",
            str(options.batch_size),
        ]
        words += ["--align", options.align] if options.align != "none" else []
        for name, value in params.items():
            words += [f"--{name}", f"{value:.4g}"]
        return shlex.join(words)

    def _page(self, best: optuna.trial.FrozenTrial, command: str) -> str:
        from itertools import combinations

        from optuna.trial import TrialState

        import skelbench
        from skelbench.eval import charts, html

        every = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        complete = [trial for trial in every if trial.state == TrialState.COMPLETE]
        value = {trial.number: 100 * (trial.value or 0.0) for trial in complete}
        names = searched(self.variant)
        values = {name: [trial.params[name] for trial in complete] for name in names}
        scores = list(value.values())
        first = complete[0] if complete and complete[0].number == 0 else None
        surfaces = [
            charts.surface(values[a], values[b], scores, (NAMES[a], NAMES[b]), f"{a} {b}")
            for a, b in combinations(names, 2)
        ] or [charts.slice_of(values["lr"], scores, NAMES["lr"])]
        return html.environment().get_template("tune.html.j2").render(
            version=skelbench.__version__,
            title=f"Tuning {self.variant.key} on {self.clips.dataset}, {self.split.protocol}",
            synthetic=self.clips.synthetic,
            facts=[
                ("Variant", self.variant.title),
                ("Trials", f"{len(every)}, of which {len(every) - len(complete)} pruned"),
                ("Each", f"{self.options.epochs} epochs, batch {self.options.batch_size}"),
                ("Fitted on", f"{len(self.fit):,} clips"),
                ("Validated on", f"{len(self.validation):,} clips"),
            ],
            rule=self.rule,
            best=f"{100 * (best.value or 0.0):.1f}",
            best_params=[(NAMES[name], f"{best.params[name]:.4g}") for name in names],
            first=None if first is None else f"{100 * (first.value or 0.0):.1f}",
            command=command,
            surfaces=surfaces,
            importance=self._importance() if len(complete) > 3 and len(set(scores)) > 1 else [],
            names=[NAMES[name] for name in names],
            trials=[
                (
                    trial.number,
                    [f"{trial.params[name]:.4g}" for name in names],
                    f"{value[trial.number]:.1f}"
                    if trial.number in value
                    else trial.user_attrs.get("stopped", "pruned"),
                )
                for trial in sorted(every, key=lambda trial: -value.get(trial.number, -1.0))
            ],
        )  # fmt: skip

    def _importance(self) -> list[tuple[str, str]]:
        import optuna

        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        shares = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        return [(NAMES[name], f"{100 * share:.0f} %") for name, share in shares.items()]


def _data(config: Config) -> tuple[Clips, Split]:
    from skelbench import data as clip_data

    clips = clip_data.preprocess(clip_data.load(config.data, drop_bad=config.drop_bad), align=config.align)
    return clips, clip_data.protocol(clips, config.protocol)


def _worker(options: Tune, worker: int) -> None:
    Study(options).work(worker)


def tune(options: Tune) -> Path:
    """Run the study to its number of trials; returns its page.

    Raises:
        TuneError, ConfigError, DataError: one line that says what is wrong.
    """
    import multiprocessing

    study = Study(options)
    spawn = multiprocessing.get_context("spawn")
    helpers = [spawn.Process(target=_worker, args=(options, worker)) for worker in range(1, options.jobs)]
    for helper in helpers:
        helper.start()
    try:
        study.work()
    finally:
        for helper in helpers:
            helper.join()
    return study.finish()


def main() -> int:
    """The command line."""
    options = tyro.cli(Tune, prog="python -m skelbench.tune")
    try:
        page = tune(options)
    except ImportError as error:
        print(f"error: {error}: pip install 'skelbench[tune]'", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on with the study in {options.out}", file=sys.stderr)
        return 130
    print((options.out / "best.json").read_text(), end="")
    print(f"Page: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
