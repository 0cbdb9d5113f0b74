"""A prepared dataset as the JSON graphs that graph2vec tools read: one file a graph, its name a number."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelbench.data import Clips, DataError
from skelbench.graph2vec import skeleton_graphs

# Which clip and window each number is.
INDEX = "graphs.csv"

_BLOCK = 256  # clips whose graphs are in memory at a time


@dataclass(frozen=True)
class JsonGraphs:
    """What was written."""

    folder: Path
    graphs: int
    left_out: int
    """Clips of two people."""


def export_json_graphs(
    clips: Clips,
    folder: Path,
    windows: int = 60,
    window: int = 5,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> JsonGraphs:
    """Writes `windows` graphs of `window` frames for each clip of one person to 0.json, 1.json, ..., and INDEX.

    A file is {"edges": [[i, j], ...], "features": {"0": label, ...}}, as the graph2vec of Rozemberczki (karateclub)
    reads it; the graphs and labels are those of `skelbench.graph2vec.skeleton_graphs`. INDEX has the columns graph,
    clip, window and label (0-based class). The folder appears whole or not at all; `progress` is called with the
    clips done and their number.

    Raises:
        DataError: `folder` holds something, no clip has one person, or the disk is full (what was written is named and
            kept).
        ValueError: `windows` or `window` is below 1.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is there already; name a new or empty folder for the JSON graphs")
    single = np.flatnonzero(clips.bodies == 1)
    if not len(single):
        raise DataError(f"{clips.source}: no clip has one person, so there are no graphs to write")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    number = 0
    try:
        with open(partial / INDEX, "w", newline="") as file:
            index = csv.writer(file)
            index.writerow(["graph", "clip", "window", "label"])
            for begin in range(0, len(single), _BLOCK):
                block = clips.select(single[begin : begin + _BLOCK])
                graphs = skeleton_graphs(block, windows=windows, window=window)
                edges = json.dumps(graphs.edges.tolist(), separators=(",", ":"))
                for at, clip in enumerate(graphs.kept.tolist()):
                    labels = graphs.labels(slice(at * windows, (at + 1) * windows)).tolist()
                    for start, row in enumerate(labels):
                        features = ",".join(f'"{node}":"{label}"' for node, label in enumerate(row))
                        (partial / f"{number}.json").write_text(
                            f'{{"edges":{edges},"features":{{{features}}}}}\n'
                        )
                        index.writerow([number, block.names[clip], start, int(block.label[clip])])
                        number += 1
                    progress(begin + at + 1, len(single))
    except OSError as error:
        raise DataError(
            f"{folder}: writing failed ({error.strerror}); what was written lies in {partial}"
        ) from error
    partial.chmod(0o755)
    os.replace(partial, folder)  # takes the place of an empty folder, too
    return JsonGraphs(folder, number, len(clips) - len(single))
