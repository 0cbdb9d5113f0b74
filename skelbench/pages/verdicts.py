"""What may be said of a run, in words: facts, verdicts, caveats, and what differs from what was published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from skelbench.pages.overview import Dot
from skelbench.pages.tables import comparable, failure_words, partly, published, training_words
from skelbench.runs.numbers import count, listed, points, probability
from skelbench.runs.results import Results, RunInfo
from skelbench.runs.samples import USUAL_RATE
from skelbench.runs.significance import Comparison

# Points; less than what is shown.
INVISIBLE = 0.05
# More variants than this are counted.
_NAMED = 12
# How the ConMLP rows were trained for the published figures.
_PUBLISHED_TRAINING = {"epochs": ("Epochs", 5000), "batch_size": ("Batch", 512), "lr": ("Rate", 0.001)}


def verdicts(dots: Sequence[Dot], comparisons: Sequence[Comparison]) -> list[str]:
    """What may be said, in sentences."""
    if not dots:
        return ["No variant is finished yet."]
    leader = max(dots, key=lambda dot: dot.mean)
    lines = [f"Highest top-1: {leader.name}, {leader.mean:.1f} % ({leader.low:.1f} to {leader.high:.1f})."]
    mine = [pair for pair in comparisons if leader.name in (pair.first, pair.second)]
    other = {pair: pair.second if pair.first == leader.name else pair.first for pair in mine}
    beaten = [other[pair] for pair in mine if pair.verdict == leader.name]
    open_ = [other[pair] for pair in mine if not pair.verdict]
    if beaten:
        others = len(dots) - 1
        who = (
            listed(beaten)
            if len(beaten) <= _NAMED
            else f"{'each' if len(beaten) == others else len(beaten)} of the {others} other variants"
        )
        lines.append(f"It beats {who} on the same clips (p < 0.05, corrected).")
    mean = {dot.name: dot.mean for dot in dots}
    equal = [name for name in open_ if abs(mean[name] - leader.mean) < INVISIBLE]
    ahead = [name for name in open_ if name not in equal]
    if equal:
        lines.append(f"{listed(equal)} {'has' if len(equal) == 1 else 'have'} the same accuracy.")
    if ahead:
        lines.append(f"Its lead over {listed(ahead)} may be chance: no order is claimed.")
    controls = [dot for dot in dots if dot.group == "control"]
    if controls:
        control = max(controls, key=lambda dot: dot.mean)
        above = {pair.verdict for pair in comparisons if control.name in (pair.first, pair.second)}
        weak = [dot.name for dot in dots if dot.group != "control" and dot.name not in above]
        if weak:
            lines.append(
                f"Not shown to be better than the best control ({control.name}, {control.mean:.1f} %): {listed(weak)}."
            )
        elif len(dots) > len(controls):
            lines.append(
                f"Every trained variant beats the best control ({control.name}, {control.mean:.1f} %)."
            )
    return lines


def matrix(
    keys: Sequence[str], comparisons: Sequence[Comparison]
) -> list[tuple[str, list[dict[str, str] | None]]]:
    """Rows of cells: difference, corrected p, and whether the row's variant wins; None where nothing was compared."""
    if not comparisons:
        return []
    pairs = {(pair.first, pair.second): pair for pair in comparisons}
    return [(row, [_cell(row, column, pairs) for column in keys]) for row in keys]


def interval_words(pair: Comparison, sign: int = 1) -> str:
    """The interval of a difference in points; with `sign` -1, of the second variant minus the first."""
    low, high = sorted(100 * sign * end for end in pair.interval)
    # One clip has no deviation.
    return f"{low:+.1f} to {high:+.1f}" if math.isfinite(low) else "unknown"


def no_matrix(results: Results) -> str:
    """Why nothing was compared."""
    finished = len(results.rows())
    if finished < 2:
        return "One variant, nothing to compare." if finished else "No variant is finished yet."
    return "No two variants have a seed in common, so none can be compared clip by clip."


def _cell(row: str, column: str, pairs: Mapping[tuple[str, str], Comparison]) -> dict[str, str] | None:
    if (row, column) not in pairs and (column, row) not in pairs:
        return None
    pair, sign = (pairs[row, column], 1) if (row, column) in pairs else (pairs[column, row], -1)
    wins, losses = (pair.wins, pair.losses) if sign == 1 else (pair.losses, pair.wins)
    return {
        "kind": "win" if pair.verdict == row else "loss" if pair.verdict else "",
        "text": points(sign * pair.difference),
        "p": probability(pair.p_holm),
        "title": f"{row} against {column}: {interval_words(pair, sign)} points; "
        f"right more often on {count(wins, 'clip')}, less often on {losses:,}; p before correction {pair.p:.2g}",
    }


def facts(results: Results) -> list[tuple[str, str]]:
    """The run in a few words, each with its heading."""
    info = results.info
    seeds = sorted({score.seed for score in results.scores})
    unsaid = info.synthetic and "synthetic" not in info.dataset.lower()
    found = [
        ("Dataset", info.dataset + " (synthetic)" * unsaid),
        ("Protocol", info.protocol),
        ("Training clips", training_clips(results)),
        ("Test clips", f"{info.n_test:,}"),
        ("Classes", str(len(info.class_names))),
        ("Seeds", ", ".join(map(str, seeds)) or "none yet"),
        *([("Recorded at", rate_words(info))] if info.fps else []),
        *([("Stream", stream)] if (stream := info.settings.get("stream")) else []),
        *([("Encoders start from", init)] if (init := info.config.get("init")) else []),
    ]
    for line in training_words(info, [row for row, _ in results.rows()]):
        title, _, words = line.partition(": ")
        found.append((title.capitalize(), words))
    return [*found, ("Device", info.machine)]


def rate_words(info: RunInfo) -> str:
    """How fast the clips were recorded, and how fast they are shown where nothing says so."""
    if info.fps is None:
        return f"{USUAL_RATE} frames a second: the data do not say how fast they were recorded"
    low, high = info.fps
    return f"{low:.4g}" + (f" to {high:.4g}" if high > low else "") + " frames a second"


def training_clips(results: Results) -> str:
    """How many training clips there are, and how many a released sampler saw."""
    info = results.info
    seen = max((score.coverage for score in results.scores), default=0)
    if info.settings["sampling"] == "full" or not seen:
        return f"{info.n_train:,}"
    return f"{seen:,} seen of {info.n_train:,}"


def caveats(results: Results) -> list[str]:
    """What a reader has to know before the numbers."""
    info = results.info
    lines = []
    if info.settings["sampling"] == "conmlp60":
        lines.append("Released sampler (conmlp60): a demonstration of what it yields, no result.")
    lines += [f"Failed: {failure_words(failure)}" for failure in results.failures]
    if info.dropped:
        lines.append(f"{count(len(info.dropped), 'clip was', 'clips were')} left out and named at the end.")
    for (test, _), keys in partly(results).items():
        verb = "was" if len(keys) == 1 else "were"
        lines.append(f"{listed(keys)} {verb} scored on {test:,} of the {count(info.n_test, 'test clip')}.")
    return lines + info.caveats


def differences(results: Results) -> list[str]:
    """What was done differently here than for the published figures, as far as they say."""
    info, settings = results.info, results.info.settings
    found = published(results)
    if not found:
        return []
    lines = []
    if not comparable(results):
        same = info.protocol == found[0].protocol
        here = f"{info.dataset}, {info.protocol}" + (
            f", with other numbers of clips than the authors give ({info.n_train:,} and {info.n_test:,})"
            if same
            else ""
        )
        lines.append(f"Data: {here} here; {found[0].dataset}, {found[0].protocol} there.")
    if any(row.family == "conmlp" and row.published for row, _ in results.rows()):
        for name, (title, value) in _PUBLISHED_TRAINING.items():
            if settings[name] != value:
                lines.append(f"{title}: {settings[name]:,} here; {value:,} there (ConMLP rows).")
    if settings["sampling"] == "full":
        lines.append(
            "Sampling: every training clip once an epoch here. The sampler released with ConMLP draws from as many "
            "clips as there are classes (60 on NTU RGB+D)."
        )
    if info.config.get("align", "none") != "none":
        lines.append(
            "Alignment: each clip is turned so that the shoulders lie along x and the spine points up."
        )
    if stream := settings.get("stream"):
        lines.append(f"Stream: {stream} here; joint there.")
    lines.append("Score: the whole test split after the last epoch here.")
    return lines
