"""The main job: load, split, train every variant with every seed, score on the whole test split, write the results."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric

from skelbench.data import Clips, Split, remarks
from skelbench.errors import SkelbenchError
from skelbench.eval.command import command_of
from skelbench.eval.config import Config, ConfigError
from skelbench.eval.initial import Source, source_of
from skelbench.eval.inputs import load_clips, load_splits
from skelbench.eval.jobs import Job, jobs_of, lacking_in
from skelbench.eval.loggers import Logged
from skelbench.eval.machine import make_fabric, precision_used
from skelbench.eval.progress import Progress
from skelbench.eval.protocols.evaluating import evaluate, missing
from skelbench.eval.resume import Trained, resumed, thrown_away, without
from skelbench.eval.scoring import Found, score_variant, train
from skelbench.eval.taken import taken
from skelbench.models.conmlp import InputShape
from skelbench.options import as_record
from skelbench.pages import markdown
from skelbench.pages import run as page
from skelbench.parallel.ranks import ALONE, RankError, Ranks
from skelbench.runs.files import write_text
from skelbench.runs.folder import RunFolder
from skelbench.runs.numbers import count
from skelbench.runs.provenance import git_revision, processor, versions
from skelbench.runs.results import Failure, Results, RunInfo, training_name
from skelbench.training.checkpoint import Checkpoint
from skelbench.training.dataset import PackedDataset
from skelbench.training.initial import Initial
from skelbench.training.packed_stream import as_stream
from skelbench.training.task import Task
from skelbench.training.variant import Variant, name_of
from skelbench.variants import choose, require_packages, require_stream


def run(config: Config, progress: Progress | None = None) -> Results:
    """Do the main job and return what it found; everything is also written to `config.out`.

    A variant that cannot be trained or scored is a failure in the results; the others are not affected.

    Args:
        config: what to do.
        progress: told of every epoch and score; None keeps quiet. Of several processes, the first one tells.

    Returns:
        What was found; of several processes, the first one has it, the others have no scores.

    Raises:
        SkelbenchError: one line that says what is wrong and what to do.
    """
    config.check()
    variants = choose(config.variants)
    require_packages(variants, config.settings)
    require_stream(variants, config.settings)
    fabric = make_fabric(config)
    ranks = Ranks.of_torch()
    clips = load_clips(config)
    splits = load_splits(clips, config, config.protocol, config.settings.sampling)
    loaded = Loaded(clips, splits, fabric, source_of(config, variants, clips, splits), ranks)
    try:
        if not ranks.first:
            return _assist(config, variants, loaded)
        progress = progress or Progress()
        if config.logger != "none":
            progress = Logged(progress, config.logger)
        return work(config, variants, loaded, progress)
    finally:
        ranks.close()


def work(
    config: Config,
    variants: Sequence[Variant],
    loaded: Loaded,
    progress: Progress,
    command: Callable[[Config], str] = command_of,
) -> Results:
    """Train every variant and score it, once the clips are there; `command` names what makes the run again.

    Of several processes, this is the work of the one that writes and tells; the others `_assist`.

    Raises:
        SkelbenchError: see `run`.
    """
    folder = _folder(config, loaded)
    with folder.locked():
        jobs = jobs_of(config, variants, loaded.splits)
        results = _begin(config, folder, _info(config, loaded, command), variants, jobs, command)
        progress.begin(results.info, [row.info for row in variants], folder.path)
        try:
            lacking = [job.name for job in lacking_in(results, jobs)]
            loaded.ranks.told((folder.path, lacking))
            _train_all(config, folder, results, jobs, loaded, progress)
        finally:
            # Also after Ctrl-C: what is finished has its report.
            markdown.write(results, folder.markdown)
            page.write(folder)
        if config.cache is None:
            # A cache that was named is the user's.
            folder.discard_embeddings()
        progress.end(results, folder.path)
    return results


def _assist(config: Config, variants: Sequence[Variant], loaded: Loaded) -> Results:
    """The same trainings in another process, which writes nothing."""
    results = Results(_info(config, loaded, command_of), [row.info for row in variants])
    path, names = loaded.ranks.told((Path(), list[Trained]()))
    jobs = [job for job in jobs_of(config, variants, loaded.splits) if job.name in names]
    _train_all(config, RunFolder(path), results, jobs, loaded, Progress())
    return results


@dataclass(frozen=True)
class Loaded:
    """The clips, their split or its folds, what computes, and what trainings start from."""

    clips: Clips
    splits: list[Split]
    fabric: Fabric
    source: Source | None = None
    """Of `--init`."""
    ranks: Ranks = ALONE
    """The processes that train together."""


def _begin(
    config: Config,
    folder: RunFolder,
    info: RunInfo,
    variants: Sequence[Variant],
    jobs: Sequence[Job],
    command: Callable[[Config], str],
) -> Results:
    """New results, or those of the run that is resumed."""
    described = [row.info for row in variants]
    results, gone = Results(info, described), set[Trained]()
    if folder.exists():
        if not config.resume:
            raise ConfigError(
                f"--out {folder.path} already holds a run: --resume continues it; or name another folder"
            )
        old = folder.load()
        gone = thrown_away(old, config, described)
        kept = without(old, gone)
        done = {(score.variant, score.seed, score.fold) for score in kept.scores}
        trains = any((job.variant.key, job.seed, job.split.fold) not in done for job in jobs)
        results = resumed(kept, info, described, trains)
        folder.tidy(results)
    # All that the run holds, also what earlier commands asked for.
    held = {name: results.info.config[name] for name in ("variants", "seeds", "evaluate")}
    whole = replace(config, **held)
    results.info.command = command(whole)
    if command is command_of:
        write_text(folder.config, whole.to_yaml())
    # What was begun is known, should the run be stopped before its first score.
    results.save(folder.results)
    # Only now: the command is accepted, and no score is listed whose files are gone.
    for variant, seed, fold in gone:
        folder.forget(variant, seed, fold)
    return results


def _train_all(
    config: Config,
    folder: RunFolder,
    results: Results,
    jobs: Sequence[Job],
    loaded: Loaded,
    progress: Progress,
) -> None:
    """Train and score what `results` lacks, and add it."""
    clips, device, stream = loaded.clips, loaded.fabric.device, config.settings.stream
    shape = None
    if loaded.source:
        own = InputShape(clips.length, clips.max_bodies, clips.joints.shape[1], clips.classes)
        shape = loaded.source.any().shape(own)
    dataset = PackedDataset(clips, device, shape)
    streamed = dataset
    if (changed := as_stream(clips, stream)) is not clips and not all(
        job.variant.makes_streams for job in jobs
    ):
        streamed = PackedDataset(changed, device, shape)
    lacking = lacking_in(results, jobs)
    progress.plan([job.variant.key for job in lacking])
    for job in jobs:
        data = dataset if job.variant.makes_streams else streamed
        if job in lacking:
            _train_one(job, config, folder, results, loaded, data, progress)
        if loaded.ranks.first:
            _evaluate_one(job, config, folder, results, loaded, data)


def _evaluate_one(
    job: Job, config: Config, folder: RunFolder, results: Results, loaded: Loaded, dataset: PackedDataset
) -> None:
    """Add what the protocols of `--evaluate` find of a trained job, as far as it is not there."""
    variant, fold = job.variant, job.split.fold
    trained = any((score.seed, score.fold) == (job.seed, fold) for score in results.of(variant.key))
    if trained and (wanted := missing(config, results, variant, job.seed, fold)):
        task = _one_person(_task(job, config, loaded, dataset), variant)
        with _deterministic():
            evaluate(wanted, variant, task, fold, config, folder, results)


def _task(job: Job, config: Config, loaded: Loaded, dataset: PackedDataset) -> Task:
    """A job as recipes and protocols are given it."""
    device = loaded.fabric.device
    train, test = (torch.from_numpy(part).to(device) for part in (job.split.train, job.split.test))
    return Task(loaded.clips, dataset, train, test, config.settings, job.seed, loaded.fabric)


def _train_one(
    job: Job,
    config: Config,
    folder: RunFolder,
    results: Results,
    loaded: Loaded,
    dataset: PackedDataset,
    progress: Progress,
) -> None:
    """Train one variant with the other processes, score it, and add its score or its failure to the results."""
    variant, seed, split = job.variant, job.seed, job.split
    progress.variant(variant.info, seed, split.fold)
    initial = None
    if loaded.source and variant.group != "control":
        initial = loaded.source.initial(seed, split.fold)
        fold = f", {split.fold}" if split.fold else ""
        caveat = f"{variant.key}{fold}: {loaded.source.caveat(loaded.clips, split, seed)}"
        results.info.caveats += [caveat] if caveat not in results.info.caveats else []
    identity = _identity(config, loaded, job, initial)
    checkpoint = Checkpoint(folder.checkpoint(variant.key, seed, split.fold), identity)
    task = replace(
        _task(job, config, loaded, dataset),
        on_epoch=progress.epoch,
        checkpoint=checkpoint,
        embeddings=config.cache or folder.embeddings,
        initial=initial,
        ranks=loaded.ranks,
    )
    # The first process may have scored and evaluated the training before for longer than an exchange waits.
    loaded.ranks.told(None)
    try:
        with _deterministic():
            task = _one_person(task, variant)
            if loaded.ranks.size == 1:
                task = replace(task, trained=partial(taken, task, split.fold, folder, results))
            found = _together(loaded.ranks, lambda: train(variant, task))
            if not loaded.ranks.first:
                return
            score = score_variant(variant, task, found, split.fold, folder, config, results)
    except RankError:
        raise
    except SkelbenchError as error:
        if not loaded.ranks.first:
            return
        failure = Failure(variant.key, seed, str(error), split.fold, list(getattr(error, "clips", ())))
        results.failures.append(failure)
        results.save(folder.results)
        progress.failure(failure)
        return
    results.scores.append(score)
    who = training_name(variant.key, seed, split.fold)
    results.info.caveats.extend(f"{who}: {note}" for note in checkpoint.notes)
    results.save(folder.results)
    checkpoint.discard()
    progress.score(score)


def _together(ranks: Ranks, work: Callable[[], Found]) -> Found:
    """What all processes do; an error that they do not share ends them."""
    try:
        return work()
    except RankError:
        raise
    except SkelbenchError as error:
        ranks.meet(error)
        raise


def _identity(config: Config, loaded: Loaded, job: Job, initial: Initial | None) -> str:
    """What a training depends on, as a hash: a checkpoint of another one is not resumed."""
    variant, split = job.variant, job.split
    parts = [hashlib.sha256(part.tobytes()).hexdigest() for part in (split.train, split.test)]
    words = [
        variant.key,
        *(
            str(name_of(part))
            for row in (variant, *(member.row for member in variant.members))
            for part in (row.recipe, row.encoder, row.loss)
        ),
        *(repr(row.plan) for row in (variant, *(member.row for member in variant.members))),
        str(job.seed),
        repr(config.settings),
        precision_used(loaded.fabric),
        loaded.clips.content_hash,
        initial.sha256 if initial else "",
    ]
    return hashlib.sha256("\n".join(words + parts).encode()).hexdigest()


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


def _folder(config: Config, loaded: Loaded) -> RunFolder:
    if config.out is None:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        name = "".join(letter if letter.isalnum() else "-" for letter in loaded.clips.dataset.lower())
        protocol = loaded.splits[0].protocol.replace(":", "")
        folder = RunFolder(Path("runs") / f"{now}-{protocol}-{name}")
    else:
        folder = RunFolder(config.out)
    folder.make()
    return folder


def _one_person(task: Task, variant: Variant) -> Task:
    """The task without clips of several people, where the variant has no place for them."""
    if not variant.one_person or task.settings.two_person != "drop":
        return task
    alone = torch.from_numpy(task.clips.bodies == 1)
    train, test = (part[alone[part.cpu()].to(part.device)] for part in (task.train, task.test))
    if len(train) == 0 or len(test) == 0:
        raise ConfigError(
            f"{variant.key}: every clip of {task.clips.source} has several people; --two-person disjoint keeps them"
        )
    return replace(task, train=train, test=test)


def _info(config: Config, loaded: Loaded, command: Callable[[Config], str]) -> RunInfo:
    clips, splits, fabric = loaded.clips, loaded.splits, loaded.fabric
    device, settings = fabric.device, config.settings
    caveats = remarks(clips, *splits)
    fewest = min(len(split.train) for split in splits)
    if settings.batch_size > fewest and settings.sampling == "full":
        caveats.append(
            f"batch size {settings.batch_size} is larger than the {count(fewest, 'training clip')}: "
            "each epoch is one batch of all of them"
        )
    if loaded.ranks.size > 1:
        caveats.append(
            f"trained by {loaded.ranks.size} processes: each batch is divided among them; loss, gradients and batch "
            "normalisation are those of the whole batch"
        )
    if (used := precision_used(fabric)) != config.precision:
        caveats.append(f"--precision {config.precision} is not to be had on this device: {used} was used")
    return RunInfo(
        dataset=clips.dataset,
        source=clips.source,
        synthetic=clips.synthetic,
        unit=clips.unit,
        protocol=splits[0].protocol,
        description=splits[0].description,
        class_names=list(clips.class_names),
        n_train=round(sum(len(split.train) for split in splits) / len(splits)),
        n_test=sum(len(split.test) for split in splits),
        data_sha256=clips.content_hash,
        dropped=[[drop.name, drop.reason] for drop in clips.dropped],
        caveats=caveats,
        config=as_record(config),
        settings=asdict(settings),
        command=command(config),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        threads=torch.get_num_threads(),
        processes=loaded.ranks.size,
        versions=versions(),
        git_revision=git_revision(),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        official=all(split.official for split in splits),
        folds=[split.fold for split in splits if split.fold],
        fps=None if clips.fps is None else (float(clips.fps.min()), float(clips.fps.max())),
    )
