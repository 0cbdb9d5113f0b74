"""The parts that a file divides its clips into (train, val, test, train1, sub1_test, ...), and splits made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelbench.data.clips import Clips, DataError, IntArray

OWN = "file"
"""Name of a split that the file brings without a name."""

_ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_ROLE = re.compile(r"(?i)(?<![a-z])(training|train|validation|valid|val|dev|testing|test)(?![a-z])")


def role_of(part: str) -> tuple[str, str] | None:
    """Split and role of a part by its name: "xsub_val" -> ("xsub", "validation"), "train1" -> ("1", "train").

    None where the name says neither train nor validation nor test.
    """
    found = list(_ROLE.finditer(part.replace("_", " ")))
    if len(found) != 1:
        return None
    match = found[0]
    rest = (part[: match.start()], part[match.end() :])
    stem = "_".join(word for word in (text.strip("_-. ") for text in rest) if word)
    return stem or OWN, _ROLES[match[1].lower()]


def own_splits(
    parts: Mapping[str, IntArray], name: str | None = None
) -> tuple[dict[str, tuple[IntArray, IntArray]], dict[str, IntArray]]:
    """(train, test) and validation clip indices by split, of parts whose names tell.

    A validation part is the test part where there is none: PYSKL and ST-GCN call their test part so. `name` is that of
    the split, where its parts have none of their own.
    """
    grouped: dict[str, dict[str, IntArray]] = {}
    for part, indices in parts.items():
        if (found := role_of(part)) is not None:
            split, role = found
            grouped.setdefault(name if name and split == OWN else split, {}).setdefault(role, indices)
    splits, validation = {}, {}
    for split, roles in grouped.items():
        test = roles.get("test", roles.get("validation"))
        if "train" not in roles or test is None:
            continue
        splits[split] = (roles["train"], test)
        if "test" in roles and "validation" in roles:
            validation[split] = roles["validation"]
    return splits, validation


def named_parts(clips: Clips) -> dict[str, IntArray]:
    """The parts of the file's own splits, by names from which `own_splits` finds the splits again, and other parts."""
    found = {}
    for split, (train, test) in clips.splits.items():
        prefix = "" if split == OWN else f"{split}_"
        found[f"{prefix}train"], found[f"{prefix}test"] = train, test
        if split in clips.validation:
            found[f"{prefix}val"] = clips.validation[split]
    others = {
        part: indices for part, indices in clips.parts.items() if part not in found and _alone(part, clips)
    }
    return {**found, **others}


def _alone(part: str, clips: Clips) -> bool:
    """Whether a part belongs to no split."""
    indices = clips.parts[part]
    used = [part for pair in clips.splits.values() for part in pair] + list(clips.validation.values())
    return not any(np.array_equal(indices, other) for other in used)


def indices_of(path: Path, part: str, wanted: Iterable[object], place: Mapping[str, int]) -> IntArray:
    """Clip indices of the names `wanted`.

    Raises:
        DataError: a name is that of no clip.
    """
    names = [str(name) for name in wanted]
    unknown = [name for name in names if name not in place]
    if unknown:
        raise DataError(
            f"{path}: split '{part}' names {len(unknown)} clips without annotation, first {unknown[0]}"
        )
    return np.array([place[name] for name in names], dtype=np.int64)


def with_split(clips: Clips, text: str) -> Clips:
    """`clips` with the split that `text` names: "TRAIN:TEST" or "TRAIN:VALIDATION:TEST".

    Each is a part that the file brings ("train1:test1"), or a text file with a clip name a line. The split is then
    protocol "file".

    Raises:
        DataError: `text` is not of that form, a part is neither, or a file names clips that are not there.
    """
    words = text.split(":")
    if len(words) not in (2, 3) or not all(words):
        raise DataError(f"split '{text}': expected TRAIN:TEST or TRAIN:VALIDATION:TEST")
    found = [_part(clips, word) for word in words]
    splits = {**clips.splits, OWN: (found[0], found[-1])}
    validation = {key: part for key, part in clips.validation.items() if key != OWN}
    if len(found) == 3:
        validation[OWN] = found[1]
    return replace(clips, splits=splits, validation=validation)


def _part(clips: Clips, word: str) -> IntArray:
    if word in clips.parts:
        return clips.parts[word]
    path = Path(word)
    if not path.is_file():
        has = ", ".join(map(str, clips.parts)) or "none"
        raise DataError(
            f"split: '{word}' is neither a part of {clips.source} (it has {has}) nor a file of clip names"
        )
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of clip names: {error}") from None
    names = [line.strip() for line in lines if line.strip()]
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    return indices_of(path, word, names, place)
