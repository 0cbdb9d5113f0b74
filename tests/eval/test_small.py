"""Parts of one clip, one class, two clips, or without a class give a number with its note, or one line."""

from dataclasses import replace

import numpy as np
import pytest

import skelbench
import skelbench.data
from skelbench.eval import run
from tests.conftest import config_of, make_clips

CLIPS = make_clips()
FIRST, SECOND = (np.flatnonzero(camera == CLIPS.camera) for camera in (1, 2))


# One of each kind.
VARIANTS = (
    "conmlp-supcon",
    "conmlp-recon-self",
    "conmlp-ce",
    "graph2vec-gru",
    "wl-bag-gru",
    "majority",
    "raw-linear",
)


def of_class(part, *classes):
    return part[np.isin(CLIPS.label[part], classes)]


PARTS = {
    "one test clip": (FIRST, SECOND[:1]),
    "one training clip": (FIRST[:1], SECOND),
    "two training clips": (FIRST[:2], SECOND),
    "one clip each": (FIRST[:1], SECOND[:1]),
    "one class": (of_class(FIRST, 0), of_class(SECOND, 0)),
    "a class that is not trained": (of_class(FIRST, 0, 1), SECOND),
    "a class that is not tested": (FIRST, of_class(SECOND, 0, 2)),
}


@pytest.mark.parametrize("name", PARTS)
def test_small_parts_give_numbers(name, tmp_path):
    train, test = PARTS[name]
    clips = replace(CLIPS, splits={"file": (train, test)})
    skelbench.data.save(clips, tmp_path / "data")
    quick = dict(epochs=2, lr=0.05, probe_epochs=2, batch_size=8, sequence_epochs=1, windows=2, threads=1)
    results = run(
        config_of(data=tmp_path / "data", protocol="file", variants=VARIANTS, out=tmp_path / "out", **quick)
    )
    assert not results.failures
    for score in results.scores:
        assert score.n_test == len(test)
        assert 0 <= score.top1 <= 1
        assert score.knn1 is None or 0 <= score.knn1 <= 1
        assert np.isfinite([*score.top1_interval, score.mean_class]).all()
        assert all(np.isfinite(curve.loss).all() for curve in score.curves)
    noted = " ".join(results.info.caveats)
    if len(test) < 10 or len(train) < 10 or "class" in name:
        assert "class" in noted or "clip" in noted
    assert (tmp_path / "out" / "report.html").exists()


def test_an_empty_part_is_one_line(tmp_path):
    clips = replace(CLIPS, splits={"file": (FIRST, SECOND[:0])})
    skelbench.data.save(clips, tmp_path / "data")
    with pytest.raises(skelbench.SkelbenchError, match="test"):
        run(config_of(data=tmp_path / "data", protocol="file", variants="majority", out=tmp_path / "out"))
