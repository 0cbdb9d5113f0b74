"""A study: trials of one variant on one dataset, with Optuna."""

from __future__ import annotations

import fcntl
import json
import math
import multiprocessing
import os
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor

from skelbench.errors import SkelbenchError
from skelbench.eval.command import command_of
from skelbench.eval.config import Config, DataOptions, MachineOptions
from skelbench.eval.inputs import load_clips, load_splits
from skelbench.eval.machine import make_fabric
from skelbench.eval.metrics import knn1
from skelbench.pages import base
from skelbench.pages import tune as page
from skelbench.runs.files import write_text
from skelbench.training.dataset import PackedDataset
from skelbench.training.log import TrainingError
from skelbench.training.packed_stream import as_stream
from skelbench.training.settings import Settings
from skelbench.training.stream_task import plan_of
from skelbench.training.task import Task, top1
from skelbench.tuning.held_out import held_out
from skelbench.tuning.hyper import RANGES, Value, applied, defaults, grid_of, label, searched
from skelbench.tuning.options import DEFAULTS, Tune
from skelbench.variants import choose, require_stream

# How often a trial is compared with others while it trains.
LOOKS = 5
# Options that a study and the main job have in common.
_SHARED = {item.name for group in (DataOptions, MachineOptions) for item in fields(group)} | {"protocol"}
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


OnTrial = Callable[[int, float | None, dict[str, Value], float | None], object]
"""Number of a trial, its validation top-1 (None: pruned), its hyper-parameters, the best top-1 so far."""


def _silent(number: int, value: float | None, params: dict[str, Value], best: float | None) -> None:
    pass


class TuneError(SkelbenchError):
    """A study that cannot be made or continued; one line."""


class Study:
    """An Optuna study on one variant and one dataset."""

    def __init__(self, options: Tune) -> None:
        options.check()
        self.options = options
        self.settings = options.settings
        rows = choose((options.variant,))
        if len(rows) != 1 or rows[0].encoder is None or rows[0].group == "control":
            raise TuneError(
                f"{options.variant} has nothing to tune: name one trained variant, conmlp-tcl for instance"
            )
        self.variant = rows[0]
        plan = self.variant.plan
        self.epochs = plan_of(self.variant, self.settings).epochs if plan else self.settings.epochs
        self.grid = grid_of(options.grid, self.variant, self.settings)
        self.names = tuple(axis.name for axis in self.grid) or searched(self.variant)
        cells = math.prod(len(axis.values) for axis in self.grid)
        self.trials = cells if self.grid else options.trials
        self.fabric = make_fabric(options)
        self.clips = load_clips(options)
        # Of a cross-validation, the first fold is tuned on.
        self.split = load_splits(self.clips, options, options.protocol)[0]
        if len(self.split.validation):
            self.fit, self.validation = self.split.train, self.split.validation
            self.rule = f"the validation part that {self.clips.source} brings"
        else:
            self.fit, self.validation, self.rule = held_out(
                self.clips, self.split.protocol, self.split.train, options.seed
            )
        require_stream(rows, self.settings)
        # Rows with a plan make their streams of positions themselves.
        clips = self.clips if plan else as_stream(self.clips, self.settings.stream)
        self.dataset = PackedDataset(clips, self.fabric.device)
        self.study = self._open()

    def _open(self) -> optuna.Study:
        """Create the study or take part in it.

        Raises:
            TuneError: the folder holds another study.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        log = self.options.out / "study.log"
        try:
            self.options.out.mkdir(parents=True, exist_ok=True)
            alone = self._take_part()
            # Optuna locks the log by files, which a killed process leaves: all would wait for it.
            for left in self.options.out.glob(f"{log.name}.lock*") if alone else ():
                left.unlink()
            study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(log))),
                study_name="skelbench",
                load_if_exists=True,
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=self.epochs // LOOKS),
            )
        except (OSError, ValueError, KeyError) as error:
            raise TuneError(f"{log} cannot be used as a study: {error}") from error
        identity = asdict(self.settings) | {
            "variant": self.variant.key,
            "align": self.options.align,
            "seed": self.options.seed,
            "protocol": self.split.protocol,
            "data": self.clips.content_hash,
            "grid": list(self.options.grid),
        }
        before = study.user_attrs.get("identity")
        if before is None:
            # In this order: of a study that has its identity, the first trial was asked for.
            if not self.grid:
                study.enqueue_trial(defaults(self.variant, self.settings), skip_if_exists=True)
            study.set_user_attr("identity", identity)
        else:
            # A setting that an older version did not know was at its default.
            before = asdict(DEFAULTS) | {"grid": []} | before
            changed = [
                f"{key} was {before.get(key)}, is now {value}"
                for key, value in identity.items()
                if before.get(key) != value
            ]
            if changed:
                raise TuneError(f"--out {self.options.out} holds another study: {'; '.join(changed)}")
        # A cell of a grid that was begun is tried again when all others have been.
        if alone and not self.grid:
            self._give_up_begun(study)
        self._let_in()
        return study

    def _take_part(self) -> bool:
        """Be known to work on the study as long as this process lasts; whether nobody else does.

        Who is alone keeps others out until `_let_in`.
        """
        self._folder = os.open(self.options.out, os.O_RDONLY)
        weakref.finalize(self, os.close, self._folder)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._let_in()
            return False
        return True

    def _let_in(self) -> None:
        with suppress(OSError):  # a file system that cannot tell
            fcntl.flock(self._folder, fcntl.LOCK_SH)

    @staticmethod
    def _give_up_begun(study: optuna.Study) -> None:
        """End the trials that killed processes had begun."""
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
            # The first trial is not drawn but asked for.
            if (fixed := trial.system_attrs.get("fixed_params")) is not None:
                study.enqueue_trial(fixed)

    def work(self, worker: int = 0, on_trial: OnTrial = _silent) -> None:
        """Run trials until the study has as many as wanted."""

        def draw_next() -> int:
            """Seed the next trial by those that are finished: every worker draws its own, a resumed study the same."""
            finished = len(self.study.get_trials(deepcopy=False, states=_DONE))
            seed = self.options.seed
            self.study.sampler = (
                # Its seed orders the cells, by whose places it knows which of them were tried.
                optuna.samplers.GridSampler({axis.name: axis.values for axis in self.grid}, seed=seed)
                if self.grid
                else optuna.samplers.TPESampler(seed=seed + 1009 * worker + finished, constant_liar=True)
            )
            return finished

        def tell(study: optuna.Study, trial: FrozenTrial) -> None:
            draw_next()
            complete = [t.value for t in study.get_trials(deepcopy=False) if t.value is not None]
            values = {label(name): value for name, value in trial.params.items()}
            pruned = trial.state != TrialState.COMPLETE
            on_trial(trial.number, None if pruned else trial.value, values, max(complete, default=None))

        if draw_next() >= self.trials:
            return
        limit = MaxTrialsCallback(self.trials, states=_DONE)
        self.study.optimize(self._trial, callbacks=[tell, limit], catch=())

    def _trial(self, trial: optuna.Trial) -> float:
        """Validation top-1 of the linear probe after training with what the trial suggests."""
        chosen: dict[str, Any] = {
            axis.name: trial.suggest_categorical(axis.name, axis.values) for axis in self.grid
        }
        if not self.grid:
            chosen = {name: trial.suggest_float(name, *RANGES[name], log=True) for name in self.names}
        task = self._task(applied(self.variant, self.settings, chosen), trial)
        try:
            fitted = self.variant.fit(task)
        except TrainingError as error:
            trial.set_user_attr("stopped", str(error))
            raise optuna.TrialPruned(str(error)) from error
        return top1(fitted.test_logits, task.data.label[task.test])

    def _task(self, settings: Settings, trial: optuna.Trial) -> Task:
        device = self.fabric.device
        fit, validation = (torch.from_numpy(part).to(device) for part in (self.fit, self.validation))

        def watch(epoch: int, represent: Callable[[], tuple[Tensor, Tensor]]) -> None:
            # A cell of a grid is wanted whatever comes of it.
            if self.grid or epoch % max(1, self.epochs // LOOKS) or epoch == self.epochs:
                return
            own, other = (rows.numpy() for rows in represent())
            known = self.clips.label
            trial.report(knn1(own, known[self.fit], other, known[self.validation]), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return Task(
            self.clips, self.dataset, fit, validation, settings, self.options.seed, self.fabric, watch=watch
        )

    def finish(self) -> Path:
        """Write best.json and the page; returns the page's path.

        Raises:
            TuneError: every trial was stopped or pruned.
        """
        every = self.study.get_trials(deepcopy=False, states=_DONE)
        if not any(trial.state == TrialState.COMPLETE for trial in every):
            stopped = next(
                (trial.user_attrs["stopped"] for trial in every if "stopped" in trial.user_attrs), ""
            )
            raise TuneError(f"no trial of {self.options.out} was trained to its end. {stopped}".rstrip())
        best = self.study.best_trial
        command = self.command(best.params)
        found = {
            "variant": self.variant.key,
            "params": best.params,
            "validation_top1": best.value,
            "command": command,
        }
        write_text(self.options.out / "best.json", json.dumps(found, indent=1) + "\n")
        return base.save(page.render(self._summary(every, best, command)), self.options.out / "tune.html")

    def command(self, params: dict[str, Any]) -> str:
        """The main job with these hyper-parameters: train on all training clips, score the test split once."""
        options = self.options
        shared = {item.name: getattr(options, item.name) for item in fields(options) if item.name in _SHARED}
        return command_of(
            Config(
                variants=(options.variant,), settings=applied(self.variant, self.settings, params), **shared
            )
        )

    def _summary(self, every: Sequence[FrozenTrial], best: FrozenTrial, command: str) -> page.StudySummary:
        names = self.names
        complete = sum(trial.state == TrialState.COMPLETE for trial in every)
        values = {trial.value for trial in every if trial.value is not None}
        return page.StudySummary(
            title=f"Tuning {self.variant.key} on {self.clips.dataset}, {self.split.protocol}",
            synthetic=self.clips.synthetic,
            facts=[
                ("Variant", self.variant.title),
                ("Trials", f"{len(every)}, of which {len(every) - complete} pruned"),
                ("Each", self._each()),
                ("Fitted on", f"{len(self.fit):,} clips"),
                ("Validated on", f"{len(self.validation):,} clips"),
            ],
            rule=self.rule,
            names=[label(name) for name in names],
            best=best.number,
            command=command,
            grid=bool(self.grid),
            trials=[
                page.Trial(
                    trial.number,
                    [trial.params[name] for name in names],
                    trial.value if trial.state == TrialState.COMPLETE else None,
                    trial.user_attrs.get("stopped", ""),
                )
                for trial in every
            ],
            importance=self._importance() if complete > 3 and len(values) > 1 else [],
            validation_clips=len(self.validation),
        )

    def _each(self) -> str:
        plan = self.variant.plan and plan_of(self.variant, self.settings)
        return f"{self.epochs} epochs, batch {plan.batch_size if plan else self.settings.batch_size}"

    def _importance(self) -> list[tuple[str, float]]:
        shares = get_param_importances(self.study, evaluator=FanovaImportanceEvaluator(seed=0))
        return [(label(name), share) for name, share in shares.items()]


def _worker(options: Tune, worker: int) -> None:
    Study(options).work(worker)


def tune(options: Tune, on_trial: OnTrial = _silent) -> Path:
    """Run the study to its number of trials; returns its page.

    Args:
        options: of the study.
        on_trial: told of every trial of this process.

    Raises:
        TuneError, ConfigError, DataError, VariantError: one line that says what is wrong.
    """
    study = Study(options)
    spawn = multiprocessing.get_context("spawn")
    helpers = [spawn.Process(target=_worker, args=(options, worker)) for worker in range(1, options.jobs)]
    for helper in helpers:
        helper.start()
    try:
        study.work(on_trial=on_trial)
    finally:
        for helper in helpers:
            helper.join()
    return study.finish()
