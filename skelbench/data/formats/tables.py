"""Tables of labels: a CSV file beside recordings whose files tell no label, one line a recording.

Columns: name (the file's, with or without its ending), label (a class name or a number); optional: class (its name,
where label is a number), subject, view, setup, rep, split.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skelbench.data.assemble import Reading
from skelbench.data.clips import DataError, IntArray
from skelbench.data.regular import regular

NAMES = ("labels.csv", "labels.txt", "labels.tsv")
"""What a table is called where it lies in the folder of the recordings."""
COLUMNS = {"subject": "subject", "view": "camera", "setup": "setup", "rep": "replication"}
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class LabelTable:
    """What a table says of each recording, by name."""

    path: Path
    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def describe(self, reading: Reading, names: list[str], required: bool = True) -> None:
        """Fills in labels, columns and parts of the recordings `names`.

        Raises:
            DataError: a recording is not in the table, or an entry is no number.
        """
        lacking = [name for name in names if name not in self.rows]
        if lacking and required:
            raise DataError(f"{self.path}: has no line for {len(lacking)} recordings, the first {lacking[0]}")
        rows = [self.rows.get(name, {}) for name in names]
        reading.names = np.array(names, dtype=str)
        reading.label = np.array([row.get("label", "") for row in rows], dtype=str)
        reading.class_names = class_names(self.path, rows)
        reading.columns = {
            ours: whole_numbers(self.path, names, key, [row.get(key, "") for row in rows])
            for key, ours in COLUMNS.items()
            if any(row.get(key) for row in rows)
        }
        parts = np.array([row.get("split", "") for row in rows], dtype=str)
        reading.parts = {
            part: np.flatnonzero(parts == part) for part in dict.fromkeys(parts.tolist()) if part
        }


def whole_numbers(path: Path, names: list[str], key: str, texts: list[str]) -> IntArray:
    """Texts as whole numbers, 0 where empty.

    Raises:
        DataError: a text is no whole number; the clip is named.
    """
    found = np.zeros(len(texts), dtype=np.int64)
    for index, (name, text) in enumerate(zip(names, texts, strict=True)):
        if text:
            try:
                found[index] = int(text)
            except (ValueError, OverflowError):
                raise DataError(f"{path}: {key} of {name} is '{text}', expected a whole number") from None
    return found


def class_names(path: Path, rows: list[dict[str, str]]) -> tuple[str, ...] | None:
    """Names by number, of the columns label and class; None where no row has both, "class N" for a number without one.

    Raises:
        DataError: a number has two names.
    """
    found: dict[int, str] = {}
    for row in rows:
        label, name = row.get("label", ""), row.get("class", "")
        if label.isdecimal() and name and found.setdefault(int(label), name) != name:
            raise DataError(f"{path}: label {label} is class '{found[int(label)]}' and class '{name}'")
    if not found or max(found) > 100_000:
        return None
    return tuple(found.get(number, f"class {number}") for number in range(max(found) + 1))


def find_table(folder: Path) -> Path | None:
    """The table that lies in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_table(path: Path) -> LabelTable:
    """The table in a file, its columns told apart by comma, semicolon or tab.

    Raises:
        DataError: it cannot be read, has no columns name and label, or has a name twice.
    """
    table = LabelTable(path)
    for number, row in enumerate(read_csv(path), start=2):
        name = row.get("name") or row.get("clip") or row.get("file") or ""
        if not name or row.get("label") is None:
            raise DataError(f"{path}: line {number}: expected the columns name and label")
        name = Path(name).name
        for ending in (".skeleton", ".bvh", ".csv"):
            name = name.removesuffix(ending)
        if name in table.rows:
            raise DataError(f"{path}: line {number}: {name} stands there twice")
        table.rows[name] = row
    if not table.rows:
        raise DataError(f"{path}: holds no line but the header")
    return table


def read_csv(path: Path) -> list[dict[str, str]]:
    """The lines of a table by column, names of columns in lower case.

    Raises:
        DataError: it cannot be read, or a line has not as many entries as the header.
    """
    try:
        regular(path, MAX_BYTES)
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, delimiter=delimiter_of(file.readline()))
            file.seek(0)
            header = [name.strip().lower() for name in next(lines, [])]
            found = []
            for entries in lines:
                if not entries:
                    continue
                if len(entries) != len(header):
                    raise DataError(
                        f"{path}: line {lines.line_num}: {len(entries)} entries, the header has {len(header)}"
                    )
                found.append({key: text.strip() for key, text in zip(header, entries, strict=True)})
            return found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from None


def delimiter_of(line: str) -> str:
    """What the entries of a line are told apart by."""
    return max(",;\t", key=line.count)


def float32_texts(values: NDArray[np.float32]) -> list[str]:
    """The shortest decimals that give the same float32 back."""
    return [str(value) for value in values]
