"""`skelbench prepare`: raw NTU files to a packed dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from skelbench.options import ConfigError, Count, parse_share, require_in_range


@dataclass(frozen=True)
class Prepare:
    """Turn a folder of raw NTU RGB+D .skeleton files into a packed dataset that `skelbench eval --data` reads.

    Bodies are chosen and cleaned by the rules of the public pipeline (SGN, CTR-GCN). OUT/prepare.log names every clip
    left out or changed, and why. An interrupted run continues where it was. Examples:

      skelbench prepare nturgbd_skeletons/ ntu60/
      skelbench prepare nturgbd_skeletons/ ntu60/ --export ctrgcn pyskl --export-to public/
      skelbench prepare nturgbd_skeletons/ ntu60/ --json-graphs graphs/ --json-windows 12
      skelbench prepare --check ntu60/
      skelbench prepare nturgbd_skeletons/ ntu60/ --shard 2/8
      skelbench prepare nturgbd_skeletons/ ntu60/ --merge

    Exit code: 0, or 1 where clips were lost for another reason than the official lists of missing skeletons or that
    nobody is in them, or 2 for an error.
    """

    raw: tyro.conf.Positional[Path | None] = None
    """Folder with the .skeleton files, in subfolders too."""
    out: tyro.conf.Positional[Path | None] = None
    """Folder for the dataset."""
    missing_list: tuple[Path, ...] = ()
    """Official lists of samples with missing skeletons; those that lie in RAW are found."""
    labels: Path | None = None
    """Table of labels, for files of other names than NTU's. Default: labels.csv in RAW, if there is one."""
    threads: Count | None = None
    """Files read at once. Default: the number of processors."""
    export: Annotated[
        tuple[Literal["ctrgcn", "pyskl", "nctvm", "ragged", "hdf5", "csv"], ...],
        tyro.conf.arg(metavar="FORMAT ..."),
    ] = ()
    """Also write public formats: ctrgcn (NTU60_CV.npz and so on), pyskl (ntu60_3danno.pkl), nctvm (2s-AGCN's .npy with
    label .pkl), ragged (.npz), hdf5, csv."""
    export_to: Path | None = None
    """Folder for the exports. Default: beside OUT."""
    json_graphs: Path | None = None
    """Also write the graphs of the clips of one person there, as the JSON that graph2vec tools read: a file a graph."""
    json_windows: Count = 60
    """Graphs of each clip."""
    json_window: Count = 5
    """Consecutive frames of a graph."""
    shard: str | None = None
    """i/n: only read the i-th of n shares of the files, for --merge, which makes the dataset of all shares."""
    merge: bool = False
    """Make the dataset of the shares beside OUT, and remove them; a share that is missing, unfinished or of other
    files is refused."""
    check: Path | None = None
    """Verify a prepared folder instead: hashes, ranges, counts."""


def run(options: Prepare, words: Sequence[str]) -> int:
    """Prepare or check a dataset: 0, or 1 where clips were lost."""
    require_in_range(options)
    if options.check is not None:
        from skelbench.prepare.check import check

        print("\n".join(check(options.check)))
        return 0
    if options.raw is None or options.out is None:
        raise ConfigError("name RAW and OUT (or --check OUT); see skelbench prepare --help")
    if options.shard is not None and options.merge:
        raise ConfigError("--shard reads a share and --merge puts shares together: give one of them")
    if options.shard is not None and (options.export or options.json_graphs):
        raise ConfigError("--shard makes no dataset yet: give --export and --json-graphs to --merge")
    try:
        if options.shard is not None:
            return _share(options, options.raw, options.out, *parse_share(options.shard))
        return _prepare(options, options.raw, options.out)
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped; the same command continues in {options.out}",)
        raise


def _share(options: Prepare, raw: Path, out: Path, place: int, shares: int) -> int:
    from skelbench.prepare.shards import prepare_share

    with _bar("files") as update:
        done = prepare_share(
            raw, out, place, shares, options.missing_list, options.threads, update, options.labels
        )
    if done.resumed:
        print(f"{done.resumed:,} files had been read by an earlier run")
    print(f"share {place + 1} of {shares}: {done.files:,} files read, {done.kept:,} clips")
    return 0


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], object]]:
    """A progress bar, moved by calls with what is done and the total."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _prepare(options: Prepare, raw: Path, out: Path) -> int:
    from collections import Counter

    from skelbench.data.formats import EXPORTS
    from skelbench.prepare.check import check
    from skelbench.prepare.pipeline import LOG, prepare
    from skelbench.prepare.shards import merge_shares

    if options.merge:
        outcome = merge_shares(raw, out, options.missing_list, options.labels)
    else:
        with _bar("files") as update:
            outcome = prepare(raw, out, options.missing_list, options.threads, update, options.labels)
    if outcome.clips.synthetic:
        print("SYNTHETIC DATA: the raw folder was made up by skelbench.data.synthetic")
    if outcome.resumed and not options.merge:
        print(f"{outcome.resumed:,} files had been read by an earlier run")
    for path in outcome.lists:
        print(f"list of missing skeletons: {path}")
    print("\n".join(check(out)))
    for reason, count in Counter(r.reason.split(":")[0] for r in outcome.clips.dropped).most_common(10):
        print(f"  {count:,} x {reason}")
    print(f"{outcome.changed:,} clips were changed; every one is named in {out / LOG}")
    for name in options.export:
        for path in EXPORTS[name](outcome.clips, options.export_to or out.parent):
            print(f"wrote {path}")
    if options.json_graphs is not None:
        from skelbench.prepare.json_graphs import export_json_graphs

        with _bar("clips to graphs") as update:
            done = export_json_graphs(
                outcome.clips, options.json_graphs, options.json_windows, options.json_window, update
            )
        print(
            f"wrote {done.graphs:,} graphs to {done.folder}; left out: {done.left_out:,} clips of two people"
        )
    if outcome.lost:
        print(f"{len(outcome.lost):,} clips were lost to bad files, see {out / LOG}", file=sys.stderr)
    return 1 if outcome.lost else 0
