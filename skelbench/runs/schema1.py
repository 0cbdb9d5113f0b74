"""Reading results.json of version 0.1.0, whose scores held a row's key only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SUPERVISED, _SELF, _DECODER = "Supervised", "Self-supervised", "With a decoder"
# The registry of version 0.1.0: title, group, family, table, published top-1 (%) and parameters (M).
_ROWS: dict[str, tuple[str, str, str, str, tuple[float, float] | None]] = {
    "conmlp-supcon": ("ConMLP, SupCon", "supervised", "conmlp", _SUPERVISED, (88.28, 11.4)),
    "conmlp-tcl": ("ConMLP, TCL", "supervised", "conmlp", _SUPERVISED, (68.16, 11.4)),
    "conmlp-recon": ("ConMLP + decoder, SupCon + MSE", "supervised", "conmlp", _DECODER, (93.55, 23.01)),
    "conmlp-ce": ("ConMLP, cross-entropy", "supervised", "conmlp", _SUPERVISED, None),
    "conmlp-ntxent": ("ConMLP, NT-Xent", "self-supervised", "conmlp", _SELF, (90.40, 11.4)),
    "conmlp-tcl-self": ("ConMLP, TCL, instance labels", "self-supervised", "conmlp", _SELF, (62.75, 11.4)),
    "conmlp-recon-self": (
        "ConMLP + decoder, NT-Xent + MSE",
        "self-supervised",
        "conmlp",
        _DECODER,
        (92.18, 23.01),
    ),
    "graph2vec-lstm": ("graph2vec, then an LSTM", "supervised", "graph", "Graphs", (62.67, 76.2)),
    "graph2vec-gru": ("graph2vec, then a GRU", "supervised", "graph", "Graphs", (49.96, 74.8)),
    "wl-bag-gru": ("Learned WL subtrees, then a GRU, end to end", "supervised", "graph", "Graphs", None),
    "majority": ("Majority class", "control", "conmlp", "Controls", None),
    "raw-linear": ("Linear probe on raw coordinates", "control", "conmlp", "Controls", None),
    "random-encoder": ("Linear probe on a random ConMLP", "control", "conmlp", "Controls", None),
}


def upgrade(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same run in today's schema; a row that version 0.1.0 did not have is shown under its key."""
    info = dict(raw["setting"])
    info["caveats"] = info.pop("warnings")
    keys = list(dict.fromkeys(score["variant"] for score in raw["scores"]))
    # Unknown rows come before the controls, which close the list.
    places = {key: place for place, key in enumerate(_ROWS)}
    keys.sort(key=lambda key: places.get(key, places["majority"] - 0.5))
    scores = [{**score, "stages": [_stage(curve) for curve in score["curves"]]} for score in raw["scores"]]
    return {"info": info, "variants": [_row(key) for key in keys], "scores": scores, "schema": 2}


def _row(key: str) -> dict[str, Any]:
    title, group, family, table, published = _ROWS.get(key, (key, "supervised", "other", "Other rows", None))
    return {
        "key": key,
        "title": title,
        "group": group,
        "family": family,
        "table": table,
        "published": published and {"top1": published[0], "parameters": published[1]},
    }


def _stage(curve: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": curve["stage"],
        "epochs": len(curve["loss"]),
        "batch_size": None,
        "lr": curve["lr"][0] if curve["lr"] else 0.0,
        "optimizer": "",
    }
