"""The main job: load, split, train every variant with every seed, score on the whole test split, write the results."""

from __future__ import annotations

import datetime
import hashlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from skelbench import data as clip_data
from skelbench.data import Clips, Split
from skelbench.eval import exhibits, html, measure, metrics, report
from skelbench.eval.config import Config, ConfigError
from skelbench.eval.progress import Progress
from skelbench.eval.results import Curve, Results, Score, Setting
from skelbench.eval.resume import go_on
from skelbench.training import weights
from skelbench.training.checkpoint import Checkpoint
from skelbench.training.dataset import PackedDataset
from skelbench.training.log import EpochLog
from skelbench.training.sampling import released_order
from skelbench.training.task import Fitted, Task
from skelbench.variants import Variant, choose


def run(config: Config, progress: Progress | None = None, command: str | None = None) -> Results:
    """Do the main job and return what it found; everything is also written to `config.out`.

    Args:
        config: what to do.
        progress: told of every epoch and score; None keeps quiet.
        command: the command line to record; None records the running one.

    Raises:
        ConfigError, DataError, TrainingError: one line that says what is wrong and what to do.
    """
    progress = progress or Progress()
    settings = config.settings()
    try:
        variants = choose(config.variants)
    except ValueError as error:
        raise ConfigError(f"--variants: {error}") from error
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fabric = make_fabric(config)
    clips, split = _data(config)
    warnings = [*split.notes, *split.warnings]
    if settings.batch_size > len(split.train) and settings.sampling == "full":
        warnings.append(
            f"batch size {settings.batch_size} is larger than the {len(split.train)} training clips: "
            "each epoch is one batch of all of them"
        )
    folder = _folder(config, clips, split)
    setting = _setting(config, clips, split, variants, fabric, warnings, command)
    results = Results(setting)
    path = folder / "results.json"
    if config.resume and path.exists():
        results = go_on(_stored(path), setting)
    results.save(path)  # what was begun is known, should it be stopped before the first score
    progress.begin(setting, variants, folder)
    dataset = PackedDataset(clips, fabric.device)
    train, test = (torch.from_numpy(part).to(fabric.device) for part in (split.train, split.test))
    for variant in variants:
        for seed in config.seeds:
            if any(score.seed == seed for score in results.of(variant.key)):
                continue
            progress.variant(variant, seed)
            checkpoint = Checkpoint(folder / "checkpoints" / f"{variant.key}-seed{seed}.safetensors")
            task = Task(
                clips, dataset, train, test, settings, seed, fabric, progress.epoch,
                checkpoint=checkpoint, embeddings=config.cache or folder / "embeddings",
            )  # fmt: skip
            if variant.one_person and settings.two_person == "drop":
                task = _one_person(task, variant)
            with _deterministic():
                score = _score(variant, task, folder, config, exhibit=not results.of(variant.key))
            results.scores.append(score)
            results.save(path)
            checkpoint.discard()
            progress.score(score)
    if config.cache is None:  # a folder that was named is the user's
        shutil.rmtree(folder / "embeddings", ignore_errors=True)
    report.write(results, folder / "report.md")
    html.write(folder)
    progress.end(results, folder)
    return results


def _data(config: Config) -> tuple[Clips, Split]:
    clips = clip_data.load(config.data, drop_bad=config.drop_bad)
    clips = clip_data.preprocess(clips, align=config.align)
    split = clip_data.protocol(clips, config.protocol)
    if config.sampling == "conmlp60":
        train, test = (released_order(clips, part, split.protocol) for part in (split.train, split.test))
        split = replace(split, train=train, test=test)
    return clips, split


def make_fabric(config: Config) -> Fabric:
    """Device and precision of a configuration; ConfigError where there is none such."""
    accelerator, _, index = config.device.partition(":")
    try:
        fabric = Fabric(
            accelerator=accelerator, devices=[int(index)] if index else 1, precision=config.precision
        )
    except Exception as error:  # Fabric has no common base class for what it refuses
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {config.device} --precision {config.precision}: {reason}") from error
    fabric.launch()
    return fabric


@contextmanager
def _deterministic() -> Iterator[None]:
    """The same seed gives the same bits; an op that cannot promise it warns."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


def _folder(config: Config, clips: Clips, split: Split) -> Path:
    if config.out is not None:
        if (config.out / "results.json").exists() and not config.resume:
            raise ConfigError(
                f"--out {config.out} already holds a run: --resume goes on with it; or name another folder"
            )
        folder = config.out
    else:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        name = "".join(letter if letter.isalnum() else "-" for letter in clips.dataset.lower())
        folder = Path("runs") / f"{now}-{split.protocol}-{name}"
    try:
        for part in ("scores", "weights"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be made: {error.strerror}") from error
    return folder


def _score(variant: Variant, task: Task, folder: Path, config: Config, exhibit: bool) -> Score:
    """Train one variant with one seed; score it; write its test scores and weights."""
    began = time.perf_counter()
    measure.reset_peak(task.fabric.device)
    fitted = variant.fit(task)
    logits = fitted.test_logits.numpy()
    train_label, label = task.clips.label[task.train.cpu()], task.clips.label[task.test.cpu()]
    correct = int((logits.argmax(1) == label).sum())
    stem = f"{variant.key}-seed{task.seed}"
    _write_outputs(fitted, task, folder, stem, config.representations)
    weights.save(fitted, variant, task, config.align, folder / "weights" / f"{stem}.safetensors")
    if exhibit:
        exhibits.write(task, fitted, folder / "exhibits" / f"{stem}.json")
    knn1 = None
    if fitted.train_representations is not None and fitted.test_representations is not None:
        knn1 = metrics.knn1(
            fitted.train_representations.numpy(), train_label, fitted.test_representations.numpy(), label
        )
    speed = measure.speed(task, fitted)
    return Score(
        variant=variant.key,
        seed=task.seed,
        top1=correct / len(label),
        top1_interval=metrics.wilson(correct, len(label)),
        top5=metrics.top_k(logits, label, 5) if task.shape.classes > 5 else None,
        mean_class=metrics.mean_class(logits, label),
        knn1=knn1,
        best_on_test=fitted.best_on_test,
        released_score=fitted.released_score,
        correct=correct,
        n_train=len(train_label),
        n_test=len(label),
        coverage=fitted.coverage,
        training_parameters=fitted.training_parameters,
        inference_parameters=measure.inference_parameters(fitted),
        macs=measure.macs(fitted, task.test[:1]),
        seconds=time.perf_counter() - began,
        scores_sha256=hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest(),
        speed=speed,
        curves=_curves(fitted.history),
        test_curve=fitted.test_curve,
        pretraining_curve=fitted.pretraining_curve,
    )


def _one_person(task: Task, variant: Variant) -> Task:
    """The task without its clips of several people; the score then tells how many test clips it rests on."""
    alone = torch.from_numpy(task.clips.bodies == 1)
    train, test = (part[alone[part.cpu()].to(part.device)] for part in (task.train, task.test))
    if len(train) == 0 or len(test) == 0:
        raise ConfigError(
            f"{variant.key}: every clip of {task.clips.source} has several people; --two-person disjoint keeps them"
        )
    return replace(task, train=train, test=test)


def _write_outputs(fitted: Fitted, task: Task, folder: Path, stem: str, keep_representations: bool) -> None:
    test = task.test.cpu().numpy()
    names = task.clips.names[test]
    np.savez(
        folder / "scores" / f"{stem}.npz",
        names=names,
        scores=fitted.test_logits.numpy(),
        label=task.clips.label[test],
    )
    if keep_representations and fitted.test_representations is not None:
        (folder / "representations").mkdir(exist_ok=True)
        np.savez(
            folder / "representations" / f"{stem}.npz",
            names=names,
            representations=fitted.test_representations.numpy(),
        )


def _stored(path: Path) -> Results:
    try:
        return Results.load(path)
    except ValueError as error:
        raise ConfigError(f"--resume: {error}") from error


def _curves(history: list[EpochLog]) -> list[Curve]:
    curves: dict[str, Curve] = {}
    for log in history:
        curve = curves.setdefault(log.stage, Curve(log.stage))
        curve.loss.append(log.loss)
        curve.lr.append(log.lr)
    return list(curves.values())


def _setting(
    config: Config,
    clips: Clips,
    split: Split,
    variants: tuple[Variant, ...],
    fabric: Fabric,
    warnings: list[str],
    command: str | None,
) -> Setting:
    device = fabric.device
    return Setting(
        dataset=clips.dataset,
        source=clips.source,
        synthetic=clips.synthetic,
        unit=clips.unit,
        protocol=split.protocol,
        description=split.description,
        class_names=list(clips.class_names),
        n_train=len(split.train),
        n_test=len(split.test),
        data_sha256=clips.content_hash,
        dropped=[[drop.name, drop.reason] for drop in clips.dropped],
        warnings=warnings,
        config={
            key: str(value) if isinstance(value, Path) else value for key, value in asdict(config).items()
        },
        settings=asdict(config.settings()),
        command=command or shlex.join(["python", *sys.argv]),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        threads=torch.get_num_threads(),
        versions=_versions(),
        git_revision=_git_revision(),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "CPU"


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in ("skelbench", "torch", "numpy", "scikit-learn", "lightning-fabric"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def _git_revision() -> str | None:
    """The commit of the source tree, with "+changes" where it differs from it; None outside a checkout."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        tracked = git("ls-files", "--error-unmatch", Path(__file__).name)
        return (
            git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
            if tracked
            else None
        )
    except (OSError, subprocess.CalledProcessError):
        return None
