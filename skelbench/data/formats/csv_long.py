"""CSV in long form: one line for each joint of a body in a frame, columns clip, frame, body, joint, x, y, z.

Optional, the same on every line of a clip: label (a number, or the name of a class), class (its name, where label is a
number), subject, view, setup, rep, split, fps (frames a second). `body` is whatever id a tracker gave, one person where
there is no such column; `joint` a name or a number; an empty coordinate is a missing joint. Comma, semicolon or tab
tells entries apart.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading, marked_names
from skelbench.data.clips import Clips, DataError
from skelbench.data.formats.files import written
from skelbench.data.formats.tables import COLUMNS, class_names, delimiter_of, float32_texts, whole_numbers
from skelbench.data.packing import Packer
from skelbench.data.presence import present
from skelbench.data.skeletons import NTU_25, skeleton_from, skeleton_of
from skelbench.data.splits import named_parts

NEEDED = ("frame", "joint", "x", "y", "z")
_PER_CLIP = ("label", "class", *COLUMNS, "split", "fps")
_MOST_ROWS = 1 << 27  # bodies in frames of one clip, so that a frame number of 10^9 is refused


def is_long_csv(path: Path) -> bool:
    """Whether a text file begins with the header of such a table."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            line = file.readline(4096)
    except (OSError, UnicodeDecodeError):
        return False
    return set(NEEDED) <= {name.strip().lower() for name in line.split(delimiter_of(line))}


def read_long_csv(path: Path, labels_required: bool = True) -> Clips:
    """Clips of such a file, in order of appearance; without a column clip, one clip named as the file.

    A clip begins with its first frame and ends with its last; a frame between that has no line is one without a body.

    Raises:
        DataError: a column is missing, an entry is no number, or a joint stands twice in a frame; the line is named.
    """
    table = _Table(path)
    if "label" not in table.header and labels_required:
        raise DataError(f"{path}: has no column label")
    joint_names = _joint_order(table)
    order = {name: number for number, name in enumerate(joint_names)}
    joint = np.array([order[name] for name in table.joint_names], dtype=np.int64)[np.asarray(table.joint)]
    xyz = np.asarray(table.xyz, dtype=np.float32).reshape(-1, 3)
    clip, frame, body = (np.asarray(column) for column in (table.clip, table.frame, table.body))
    packer = Packer(len(joint_names), padded=False)
    names = list(table.clips)
    by_clip = np.argsort(clip, kind="stable")
    begins = np.searchsorted(clip[by_clip], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        lines = by_clip[begins[number] : begins[number + 1]]
        first = int(frame[lines].min())
        bodies = {ident: place for place, ident in enumerate(dict.fromkeys(body[lines].tolist()))}
        shape = (int(frame[lines].max()) - first + 1, len(bodies), len(joint_names))
        if shape[0] * shape[1] > _MOST_ROWS:
            raise DataError(f"{path}: clip {name} has frames from {first} to {int(frame[lines].max())}")
        place = np.array([bodies[ident] for ident in body[lines].tolist()])
        cells = np.ravel_multi_index((frame[lines] - first, place, joint[lines]), shape)
        if len(np.unique(cells)) < len(cells):
            repeated = np.sort(cells)[np.flatnonzero(np.diff(np.sort(cells)) == 0)[0]]
            line = int(lines[np.flatnonzero(cells == repeated)[1]]) + 2
            raise DataError(f"{path}: line {line}: clip {name} has a joint twice in a frame")
        block = np.zeros((int(np.prod(shape)), 3), dtype=np.float32)
        given = np.zeros(shape, dtype=bool)
        block[cells] = xyz[lines]
        given.reshape(-1)[cells] = True
        found = block.reshape(*shape, 3)
        # A joint without a line, of a body that has others, is missing.
        found[np.asarray(given.any(axis=2))[..., None] & ~given] = np.nan
        packer.add(found)
    names_known = set(joint_names) == set(NTU_25.joint_names)
    plain = all(name.isdecimal() for name in joint_names)
    skeleton = (
        NTU_25 if names_known else skeleton_of(len(joint_names)) if plain else skeleton_from(joint_names, ())
    )
    reading = Reading.packed(path, "CSV, long form", packer, skeleton)
    reading.names = np.array(names, dtype=str)
    reading.label = np.array([table.clips[name].get("label", "") for name in names], dtype=str)
    reading.class_names = class_names(path, list(table.clips.values()))
    reading.columns = {
        ours: whole_numbers(path, names, key, [table.clips[name].get(key, "") for name in names])
        for key, ours in COLUMNS.items()
        if key in table.header
    }
    part = np.array([table.clips[name].get("split", "") for name in names], dtype=str)
    reading.parts = {key: np.flatnonzero(part == key) for key in dict.fromkeys(part.tolist()) if key}
    reading.fps = _rates(table)
    return reading.clips()


def _rates(table: _Table) -> list[float] | None:
    """The rate of each clip, where the file tells those of all."""
    told = {name: clip.get("fps", "") for name, clip in table.clips.items()}
    if not all(told.values()):
        return None
    for name, text in told.items():
        try:
            float(text)
        except ValueError:
            raise DataError(f"{table.path}: clip {name} has fps '{text}', expected a number") from None
    return [float(text) for text in told.values()]


def _joint_order(table: _Table) -> list[str]:
    """By number where joints are numbers (those of the skeleton all, too), else in order of appearance."""
    names = table.joint_names
    if all(name.isdecimal() for name in names):
        most = max(map(int, names), default=0)
        if most > 100_000:
            raise DataError(f"{table.path}: a joint has the number {most}")
        begin = 0 if "0" in names else 1
        return [str(number) for number in range(begin, most + 1)]
    if set(names) == set(NTU_25.joint_names):
        return list(NTU_25.joint_names)
    return names


class _Table:
    """The lines of the file as columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clips: dict[str, dict[str, str]] = {}
        self.joint_names: list[str] = []
        self.clip, self.frame, self.joint, self.body = array("q"), array("q"), array("q"), array("q")
        self.xyz = array("f")
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                delimiter = delimiter_of(file.readline())
                file.seek(0)
                lines = csv.reader(file, delimiter=delimiter)
                self.header = [name.strip().lower() for name in next(lines)]
                self._read(lines)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: cannot be read as CSV: {error}") from None
        if not self.clips:
            raise DataError(f"{path}: holds no line but the header")

    def _read(self, lines: csv._reader) -> None:  # type: ignore[name-defined]
        at = {name: place for place, name in enumerate(self.header)}
        per_clip = [(key, at[key]) for key in _PER_CLIP if key in at]
        clip_numbers: dict[str, int] = {}
        joint_numbers: dict[str, int] = {}
        body_numbers: dict[str, int] = {}
        for entries in lines:
            if not entries:
                continue
            where = f"{self.path}: line {lines.line_num}"
            if len(entries) != len(self.header):
                raise DataError(f"{where}: {len(entries)} entries, the header has {len(self.header)}")
            name = entries[at["clip"]].strip() if "clip" in at else self.path.stem
            told = {key: entries[place].strip() for key, place in per_clip}
            if name not in clip_numbers:
                clip_numbers[name] = len(clip_numbers)
                self.clips[name] = told
            elif told != self.clips[name]:
                key = next(key for key in told if told[key] != self.clips[name][key])
                raise DataError(
                    f"{where}: clip {name} has {key} '{told[key]}', before it '{self.clips[name][key]}'"
                )
            joint = entries[at["joint"]].strip()
            body = entries[at["body"]].strip() if "body" in at else "0"
            try:
                frame = int(entries[at["frame"]])
                xyz = [float(text) if (text := entries[at[axis]].strip()) else float("nan") for axis in "xyz"]
                self.frame.append(frame)
                self.xyz.extend(xyz)
            except (ValueError, OverflowError):
                raise DataError(f"{where}: expected a whole frame number and the numbers x, y, z") from None
            if joint not in joint_numbers:
                joint_numbers[joint] = len(joint_numbers)
                self.joint_names.append(joint)
            self.clip.append(clip_numbers[name])
            self.joint.append(joint_numbers[joint])
            self.body.append(body_numbers.setdefault(body, len(body_numbers)))


def write_long_csv(clips: Clips, path: Path) -> Path:
    """Writes such a file: joints by name, bodies that are absent left out.

    Coordinates are the shortest decimals that give the same float32 back. Parts that share clips, and bones, have no
    place in the form.
    """
    part_of: dict[int, str] = {}
    for part, indices in named_parts(clips).items():
        for index in indices.tolist():
            part_of.setdefault(index, part)

    def write(partial: Path) -> None:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["clip", "frame", "body", "joint", "x", "y", "z", *_PER_CLIP])
            for index, name in enumerate(marked_names(clips).tolist()):
                label = int(clips.label[index])
                told = [
                    label if label >= 0 else "",
                    clips.class_names[label] if label >= 0 else "",
                    *(int(getattr(clips, ours)[index]) for ours in COLUMNS.values()),
                    part_of.get(index, ""),
                    "" if clips.fps is None else float(clips.fps[index]),
                ]
                clip = clips.clip(index)
                for frame, body in np.argwhere(present(clip)).tolist():
                    _write_body(table, name, frame, body, clip[frame, body], clips.skeleton.joint_names, told)

    return written(path, write)


def _write_body(
    table: csv._writer,  # type: ignore[name-defined]
    name: str,
    frame: int,
    body: int,
    joints: NDArray[np.float32],
    joint_names: tuple[str, ...],
    told: Sequence[object],
) -> None:
    for joint, values in zip(joint_names, joints, strict=True):
        table.writerow([name, frame, body, joint, *float32_texts(values), *told])
