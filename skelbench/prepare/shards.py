"""Preparing in shares, for as many jobs: each reads its files into a work folder of its own; a merge makes one dataset.

The merged dataset has the bits of one that a single job made: shares are consecutive files, put together in order.
"""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data import DataError
from skelbench.data.formats.prepared import is_prepared
from skelbench.prepare.pipeline import Outcome, finish, outcome_of, read_files, signature, tidy, writing
from skelbench.prepare.raw import RawFolder, scan
from skelbench.prepare.work import Finished, Part, Work, discard, finished


@dataclass(frozen=True)
class Share:
    """What a job read."""

    files: int
    kept: int
    """Files that gave a clip."""
    resumed: int
    """Files that an earlier run had read already."""


def prepare_share(
    raw: Path,
    out: Path,
    place: int,
    shares: int,
    missing_lists: Sequence[Path] = (),
    threads: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    labels: Path | None = None,
) -> Share:
    """Reads one share of the files of `raw`, for `merge_shares`; other arguments as in `pipeline.prepare`.

    Args:
        raw: folder of .skeleton files.
        out: folder of the merged dataset; the share's work folder lies beside it.
        place: of the share, from 0.
        shares: how many there are.
        missing_lists: lists of missing skeletons.
        threads: files read at once.
        progress: called with the share's files done and their number.
        labels: table of labels.

    Raises:
        DataError: `raw` cannot be used, another run reads this share, or the disk is full.
    """
    folder = scan(raw, missing_lists, labels)
    files = _files(folder, place, shares)
    name = _name(out, place, shares)
    with Work(name, _signature(folder, place, shares)) as work:
        resumed = read_files(work, folder, name, files, threads, progress)
        return Share(len(files), sum(len(part.kept) for part in work.parts), resumed)


def merge_shares(
    raw: Path, out: Path, missing_lists: Sequence[Path] = (), labels: Path | None = None
) -> Outcome:
    """Makes the dataset of all shares, and removes their work folders. Arguments as in `pipeline.prepare`.

    A merge that was killed goes on where it was; one that was finished is left as it is.

    Raises:
        DataError: there is no share, one is missing, unfinished or of other files, or the disk is full.
    """
    folder = scan(raw, missing_lists, labels)
    found: list[Finished] = []
    if not _put_together(out, folder):
        shares = _number(out)
        if not shares and is_prepared(out):
            discard(out)
            tidy(out)
            return outcome_of(out, folder)
        if not shares:
            raise DataError(f"{out}: there is no share to merge; --shard i/n makes one")
        found = [_finished(out, folder, place, shares) for place in range(shares)]
    with Work(out, signature(folder)) as work, writing(work, out):
        # Those before were put together by a merge that was killed.
        done = len(work.parts)
        for part, clips in list(_parts(found))[done:]:
            work.append(part, clips)
        work.flush()
        # All that the shares have is on the disk once more.
        for path in out.parent.glob(f".{glob.escape(out.name)}.shard-*-of-*.work"):
            shutil.rmtree(path)
        for share in found:
            share.lock.close()
        return finish(work, folder, out, len(folder.files))


def _put_together(out: Path, folder: RawFolder) -> bool:
    """Whether a merge that was killed had put all parts together."""
    try:
        finished(out, signature(folder), len(folder.files)).lock.close()
    except DataError:
        return False
    return True


def _finished(out: Path, folder: RawFolder, place: int, shares: int) -> Finished:
    name, files = _name(out, place, shares), len(_files(folder, place, shares))
    return finished(name, _signature(folder, place, shares), files)


def _files(folder: RawFolder, place: int, shares: int) -> range:
    total = len(folder.files)
    return range(total * place // shares, total * (place + 1) // shares)


def _name(out: Path, place: int, shares: int) -> Path:
    return out.with_name(f"{out.name}.shard-{place + 1}-of-{shares}")


def _signature(folder: RawFolder, place: int, shares: int) -> str:
    return f"{signature(folder)} shard {place + 1}/{shares}"


def _number(out: Path) -> int:
    """How many shares there are, by the names of their work folders; 0 without any."""
    pattern = re.compile(re.escape(f".{out.name}.shard-") + r"\d+-of-(\d+)\.work")
    names = [path.name for path in out.parent.iterdir()] if out.parent.is_dir() else []
    numbers = sorted({int(match[1]) for name in names if (match := pattern.fullmatch(name))})
    if len(numbers) > 1:
        raise DataError(
            f"{out}: there are shares of {' and of '.join(map(str, numbers))}; remove those that are not wanted"
        )
    return numbers[0] if numbers else 0


def _parts(found: Sequence[Finished]) -> Iterator[tuple[Part, list[NDArray[np.float32]]]]:
    """Every part with its clips (T, m, 25, 3), in the order of the files."""
    for share in found:
        end = 0
        for part in share.parts:
            clips = []
            for frames, bodies in zip(part.frames, part.bodies, strict=True):
                begin, end = end, end + frames * bodies
                clips.append(share.joints[begin:end].reshape(frames, bodies, 25, 3))
            yield part, clips
