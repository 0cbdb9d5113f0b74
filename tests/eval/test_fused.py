"""Fused rows: their members are the rows that are trained alone, their probabilities are averaged, costs are sums."""

import numpy as np
import pytest
import scipy.special
import torch

import skelbench
import skelbench.data
from skelbench.eval import run
from skelbench.eval.progress import Progress
from skelbench.models.fused import FusedClassifier
from skelbench.pages.run import render
from skelbench.runs.folder import RunFolder
from skelbench.runs.fuse import Member, fuse
from skelbench.training.tensors import load_tensors
from skelbench.variants import VariantError, choose
from tests.conftest import config_of, make_clips

QUICK = dict(
    epochs=2, probe_epochs=2, batch_size=8, stream_epochs=2, stream_frames=8, threads=1, device="cpu"
)
ALONE = ("tcn", "graph-tcn", "conmlp-ntxent")
FUSED = ("tcn+graph-tcn", "tcn+streams", "conmlp-ntxent+streams", "conmlp-ntxent+tcn")
WORDS = ("linear", "knn", "semi:0.2", "robust", "finetune")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(clips=36), path)
    return path


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """The members as rows of their own."""
    folder = tmp_path_factory.mktemp("alone")
    for stream in (None, "joint", "bone", "motion"):
        rows = ALONE if stream is None else ("tcn", "conmlp-ntxent")
        assert not run(
            config_of(data=data, out=folder / str(stream), variants=rows, stream=stream, **QUICK)
        ).failures
    return folder


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    results = run(config_of(data=data, out=out, variants=FUSED, evaluate=WORDS, **QUICK))
    assert not results.failures
    return RunFolder.at(out)


def scores_of(results, key):
    (score,) = results.of(key)
    return score


@pytest.mark.parametrize(
    ("row", "members"),
    [
        ("tcn+graph-tcn", ("None:tcn", "None:graph-tcn")),
        ("tcn+streams", ("joint:tcn", "bone:tcn", "motion:tcn")),
        ("conmlp-ntxent+streams", ("joint:conmlp-ntxent", "bone:conmlp-ntxent", "motion:conmlp-ntxent")),
        ("conmlp-ntxent+tcn", ("None:conmlp-ntxent", "None:tcn")),
    ],
)
def test_it_is_the_mean_of_the_probabilities_of_its_members_and_costs_their_sum(
    row, members, alone, finished
):
    names = [member.split(":") for member in members]
    fused = fuse([Member(alone / stream, key, 1.0) for stream, key in names]).fused[0]
    score = scores_of(finished.load(), row)
    found = finished.load_scores(score)
    order = np.argsort(found.names)
    probability = scipy.special.softmax(found.logits[order].astype(np.float64), axis=1)
    np.testing.assert_allclose(probability, fused.logits, atol=1e-5)
    own = [scores_of(RunFolder(alone / stream).load(), key) for stream, key in names]
    for cost in ("training_parameters", "inference_parameters", "macs", "model_bytes"):
        assert getattr(score, cost) == sum(getattr(one, cost) for one in own)
    assert [stage.epochs for stage in score.stages] == [stage.epochs for one in own for stage in one.stages]
    assert [curve.loss for curve in score.curves] == [curve.loss for one in own for curve in one.curves]
    assert score.knn1 is not None


def test_stages_say_whose_they_are(finished):
    score = scores_of(finished.load(), "conmlp-ntxent+tcn")
    assert [stage.name for stage in score.stages] == ["conmlp-ntxent", "conmlp-ntxent probe", "tcn"]
    page = render(finished.load(), finished)
    assert "conmlp-ntxent probe 2 epochs, batch" in page
    assert "every weight 1: nothing is chosen" in page


@pytest.mark.parametrize("row", FUSED)
def test_it_loads_classifies_and_predicts(row, data, finished):
    encoder = skelbench.load(finished.path, row)
    clips = skelbench.data.load(data)
    stored = finished.load_scores(scores_of(finished.load(), row))
    place = {name: index for index, name in enumerate(clips.names.tolist())}
    rows = [place[name] for name in stored.names.tolist()]
    np.testing.assert_allclose(encoder.classify(clips)[rows], stored.logits, atol=1e-4)
    assert encoder.predict(clips).probability.sum(1) == pytest.approx(1)
    assert encoder.represent(clips).shape == (36, sum(encoder.model[1].widths))


@pytest.mark.parametrize("row", FUSED)
def test_protocols_work_or_say_why_not(row, finished):
    results = finished.load()
    found = {item.protocol for item in results.evaluations if item.variant == row}
    assert found == set(WORDS) - {"finetune"}
    said = [caveat for caveat in results.info.caveats if caveat.startswith(f"{row}, seed 0: finetune")]
    assert said == [
        f"{row}, seed 0: finetune was left out: {row} fuses trained rows: fine-tune each as a row of its own"
    ]


def test_members_of_the_same_run_are_taken_not_trained_again(data, finished, tmp_path):
    class Told(Progress):
        stages = ()

        def epoch(self, log):
            self.stages += (log.stage,)

    told = Told()
    rows = ("tcn+graph-tcn", "graph-tcn+conmlp-ntxent", "tcn", "graph-tcn")
    results = run(config_of(data=data, out=tmp_path / "run", variants=rows, **QUICK), told)
    assert [row.key for row in results.variants] == ["tcn", "graph-tcn", *rows[:2]]
    assert told.stages.count("train") == 4
    assert {stage for stage in told.stages if stage != "train"} == {"conmlp-ntxent", "conmlp-ntxent probe"}
    own, before = (scores_of(found, "tcn+graph-tcn") for found in (results, finished.load()))
    assert own.scores_sha256 == before.scores_sha256
    assert own.knn1 == before.knn1
    assert own.curves == before.curves
    assert own.stages == before.stages
    assert own.training_parameters == before.training_parameters
    assert own.seconds > sum(scores_of(results, key).seconds for key in ("tcn", "graph-tcn"))
    first, second = (
        load_tensors(path.weights("tcn+graph-tcn", 0))[0] for path in (RunFolder(tmp_path / "run"), finished)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_that_is_stopped_goes_on_at_the_member_it_had_come_to(data, finished, tmp_path):
    class Stop(Progress):
        def epoch(self, log):
            if log.stage == "tcn-bone" and log.epoch == 2:
                raise KeyboardInterrupt

    class Told(Progress):
        stages = ()

        def epoch(self, log):
            self.stages += (log.stage,)

    out, told = tmp_path / "run", Told()
    with pytest.raises(KeyboardInterrupt):
        run(config_of(data=data, out=out, variants=("tcn+streams",), **QUICK), Stop())
    kept = {path.name.split(".")[1] for path in (out / "checkpoints").iterdir()}
    assert kept == {"tcn-joint", "tcn-bone"}
    results = run(config_of(data=data, out=out, variants=("tcn+streams",), resume=True, **QUICK), told)
    assert "tcn-joint" not in told.stages
    assert told.stages.count("tcn-motion") == 2
    assert not (out / "checkpoints").exists()
    score = scores_of(results, "tcn+streams")
    assert score.scores_sha256 == scores_of(finished.load(), "tcn+streams").scores_sha256


def test_all_members_are_shown_the_stream_that_is_asked_for(data, finished, tmp_path):
    out = tmp_path / "run"
    rows = ("tcn+graph-tcn",)
    results = run(config_of(data=data, out=out, variants=rows, stream="bone", **QUICK))
    assert not results.failures
    members = choose(["tcn", "graph-tcn"])
    apart = run(
        config_of(
            data=data, out=tmp_path / "own", variants=[row.key for row in members], stream="bone", **QUICK
        )
    )
    assert [curve.loss for curve in scores_of(results, "tcn+graph-tcn").curves] == [
        curve.loss for score in apart.scores for curve in score.curves
    ]


def test_a_fused_classifier_is_the_mean_of_probabilities():
    torch.manual_seed(0)
    layers = [torch.nn.Linear(3, 4), torch.nn.Linear(5, 4)]
    rows = torch.randn(7, 8)
    logits = FusedClassifier(layers)(rows)
    wanted = (layers[0](rows[:, :3]).softmax(1) + layers[1](rows[:, 3:]).softmax(1)) / 2
    torch.testing.assert_close(logits.softmax(1), wanted)


# --- names


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("sgn+streams", ["sgn-joint", "sgn-bone", "sgn-motion"]),
        ("sgn+tcn+conmlp-ce", ["sgn", "tcn", "conmlp-ce"]),
        ("sgn+streams+tcn", ["sgn-joint", "sgn-bone", "sgn-motion", "tcn"]),
    ],
)
def test_a_name_says_what_is_fused(name, members):
    *_, row = choose(["majority", name])
    assert row.key == name
    assert [member.name for member in row.members] == members
    assert row.family == "reference"


def test_groups():
    rows = choose(["tcn-ntxent+tcn-predict", "tcn-ntxent+tcn"])
    assert [row.group for row in rows] == ["self-supervised", "supervised"]


def test_a_row_of_ones_own_is_fused_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "fused_lab.py").write_text(
        "from skelbench.models.conmlp import ConMLP\nfrom skelbench.variants import Variant\n"
        'ROW = Variant("lab", "Lab", "supervised", "skelbench.training.encoder:cross_entropy", encoder=ConMLP)\n'
    )
    monkeypatch.chdir(tmp_path)
    (row,) = choose(["fused_lab:ROW+streams"])
    assert row.key == "lab+streams"
    assert [member.name for member in row.members] == ["lab-joint", "lab-bone", "lab-motion"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tcn+sng", r"unknown variant 'sng': fuse rows by their keys"),
        ("tcn+", r"unknown variant ''"),
        ("streams+tcn", r"unknown variant 'streams'"),
        ("tcn+tcn", r"two different members or more"),
        ("tcn+majority", r"majority cannot be fused: only trained rows with an encoder"),
        ("random-tcn+streams", r"random-tcn cannot be fused"),
        ("wl-bag-gru+tcn", r"wl-bag-gru cannot be fused"),
    ],
)
def test_what_cannot_be_fused_is_refused_in_one_line(name, said):
    with pytest.raises(VariantError, match=said) as error:
        choose([name])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(stream="bone"), r"--stream bone: tcn\+streams fuses all streams"),
        (dict(init="FINISHED:tcn+streams"), r"tcn\+streams has no encoder that could start from it"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(options, said, data, finished, tmp_path):
    options = {name: value.replace("FINISHED", str(finished.path)) for name, value in options.items()}
    with pytest.raises(skelbench.SkelbenchError, match=said):
        run(config_of(data=data, out=tmp_path / "run", variants=("tcn+streams",), **options, **QUICK))
    assert not (tmp_path / "run").exists()
