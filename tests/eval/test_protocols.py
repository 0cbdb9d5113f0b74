"""The protocols of `--evaluate`: what each measures, that it is stored, shown, merged and added to a finished run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import skelbench.data
from skelbench.eval import Results, metrics, run
from skelbench.eval.config import ConfigError
from skelbench.eval.protocols import finetune
from skelbench.eval.protocols.perturb import PERTURBATIONS
from skelbench.eval.protocols.semi import DRAWS, labelled
from skelbench.eval.protocols.words import PROTOCOLS, evaluator, joined
from skelbench.pages.protocols import table
from skelbench.runs.folder import RunFolder
from skelbench.runs.merge import merge
from skelbench.training.tensors import load_tensors
from tests.conftest import config_of, make_clips

QUICK = dict(epochs=2, probe_epochs=3, batch_size=8, stream_epochs=2, sequence_epochs=2, windows=3, threads=1)
ALL = ("linear", "knn", "semi:0.2", "0.5", "finetune", "robust")
ROWS = ("conmlp-ntxent", "tcn-ntxent", "random-tcn", "wl-bag-gru", "majority", "raw-linear")
WITH_ENCODER = ROWS[:4]
KINDS = {kind.what: kind for kind in PERTURBATIONS}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny"
    skelbench.data.save(make_clips(clips=72), path)
    return path


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> RunFolder:
    out = tmp_path_factory.mktemp("run") / "run"
    run(config_of(data=data, out=out, variants=ROWS, evaluate=ALL, seeds=(0, 1), **QUICK))
    return RunFolder.at(out)


def found_of(results, variant, protocol, seed=0):
    (found,) = [
        item
        for item in results.evaluations
        if (item.variant, item.protocol, item.seed) == (variant, protocol, seed)
    ]
    return found


# --- words


def test_a_number_behind_semi_is_another_share():
    words = ("linear", "semi:0.01", "0.10", "knn", "knn")
    assert joined(words) == ("linear", "semi:0.01", "semi:0.1", "knn") == config_of(evaluate=words).evaluate
    assert joined(joined(words)) == joined(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lineal",), "'lineal' is no protocol; choose from linear, knn"),
        (("0.1",), "'0.1' is no protocol"),
        (("semi",), "semi needs a share of the training clips"),
        (("semi:2",), "the share must be a number between 0 and 1"),
        (("semi:nan",), "the share must be a number between 0 and 1"),
        (("transfer",), "transfer needs a data set"),
        (("knn:5",), "knn takes nothing behind a colon"),
    ],
)
def test_a_word_that_is_no_protocol_is_one_line(words, message):
    with pytest.raises(ConfigError, match=message):
        config_of(evaluate=words).check()


def test_every_word_has_its_function():
    for word in PROTOCOLS:
        function, argument = evaluator(f"{word}:x")
        assert callable(function)
        assert argument == "x"


# --- what they measure


def test_every_row_with_an_encoder_is_evaluated_with_every_seed(finished):
    results = finished.load()
    assert not results.failures
    for variant in WITH_ENCODER:
        for seed in (0, 1):
            for protocol in joined(ALL):
                if (variant, protocol) == ("wl-bag-gru", "finetune"):
                    continue
                found = found_of(results, variant, protocol, seed)
                assert found.n_test == results.info.n_test
                assert 0 <= found.top1 <= 1
    assert {item.variant for item in results.evaluations} == set(WITH_ENCODER)
    (caveat,) = [line for line in results.info.caveats if "left out" in line and "seed 0" in line]
    assert (
        caveat == "wl-bag-gru, seed 0: finetune was left out: wl-bag-gru is trained on the labels end to end"
    )


def test_logits_are_stored_and_held_against_their_hash(finished):
    found = found_of(finished.load(), "tcn-ntxent", "linear")
    scores = finished.load_evaluation(found)
    assert scores.right.sum() == found.correct
    assert found.top1 == found.correct / found.n_test
    with pytest.raises(skelbench.SkelbenchError, match="does not fit the hash"):
        finished.load_evaluation(replace(found, correct=found.correct + 1))


def test_the_nearest_neighbour_is_the_tables(finished):
    results = finished.load()
    for variant in WITH_ENCODER[:3]:
        for score in results.of(variant):
            assert found_of(results, variant, "knn", score.seed).top1 == pytest.approx(score.knn1)


def test_the_probe_of_a_row_that_has_it_is_the_same(finished):
    """Rows on resampled clips are read out by it anyway."""
    results = finished.load()
    for variant in ("tcn-ntxent", "random-tcn"):
        for score in results.of(variant):
            assert found_of(results, variant, "linear", score.seed).top1 == pytest.approx(
                score.top1, abs=0.03
            )


def test_more_labels_help_and_lists_are_stored(finished):
    results = finished.load()
    clips = make_clips(clips=72)
    label = dict(zip(clips.names.tolist(), clips.label.tolist(), strict=True))
    training = set(clips.names[clips.camera == 1].tolist())
    for share in (0.2, 0.5):
        found = found_of(results, "tcn-ntxent", f"semi:{share:g}")
        lists = results.lists[found.lists]
        assert len(lists) == len(found.draws) == DRAWS
        assert found.top1 == pytest.approx(np.mean(found.draws))
        for names in lists:
            assert set(names) <= training
            counts = np.bincount([label[name] for name in names], minlength=3)
            assert counts.tolist() == [round(share * 12)] * 3
        assert len({tuple(names) for names in lists}) == DRAWS
        assert found_of(results, "random-tcn", f"semi:{share:g}", 1).lists == found.lists
    few, many = (found_of(results, "random-tcn", f"semi:{share:g}").top1 for share in (0.2, 0.5))
    assert many > few


def test_a_list_does_not_depend_on_the_order_of_the_clips():
    clips = make_clips(clips=60)
    train = np.flatnonzero(clips.camera == 1)
    mixed = np.random.default_rng(0).permutation(train)
    for one, two in zip(labelled(clips, train, 0.1), labelled(clips, mixed, 0.1), strict=True):
        assert set(clips.names[train][one]) == set(clips.names[mixed][two])
    # One clip of each class at the least.
    assert all(len(rows) == 3 for rows in labelled(clips, train, 0.001))


def test_robustness_begins_with_the_clips_as_they_are(finished):
    results = finished.load()
    for variant in ("conmlp-ntxent", "tcn-ntxent", "wl-bag-gru"):
        for score in results.of(variant):
            found = found_of(results, variant, "robust", score.seed)
            assert found.correct == score.correct
            kinds = {point.what for point in found.points}
            assert kinds == set(KINDS) - {"limbs lost"}  # this skeleton is one chain
    moved = found_of(results, "tcn-ntxent", "robust").points
    assert any(point.correct != results.of("tcn-ntxent")[0].correct for point in moved)


def test_class_similarity_is_a_cosine_by_class():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(30, 4)).astype("f4"), rng.normal(size=(7, 4)).astype("f4")
    label = rng.integers(0, 3, 30) * 2  # classes 1 and 3 have no clip
    found = metrics.class_similarity(train, label, test, 5)
    wanted = np.nan_to_num(
        np.array(
            [
                [
                    max(
                        (
                            float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
                            for b in train[label == number]
                        ),
                        default=metrics.ABSENT,
                    )
                    for number in range(5)
                ]
                for a in test
            ]
        )
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "name", "own"),
    [("tcn-ntxent", "train_supervised", 0.001), ("conmlp-ntxent", "cross_entropy", 0.003)],
)
def test_the_rate_of_fine_tuning_is_chosen_within_the_training_clips(
    row, name, own, data, tmp_path, monkeypatch
):
    seen, recipe = [], getattr(finetune, name)

    def spy(task, variant):
        fitted = recipe(task, variant)
        rate = variant.plan.lr if variant.plan else task.settings.lr
        parts = [set(part.tolist()) for part in (task.train, task.test)]
        if len(parts[0]) < 36:
            # One rate is right on every held-out clip, the others on none.
            right = torch.nn.functional.one_hot(task.data.label[task.test], 3).float()
            fitted = replace(fitted, test_logits=right if rate == pytest.approx(3 * own) else -right)
        seen.append((rate, *parts))
        return fitted

    monkeypatch.setattr(finetune, name, spy)
    results = run(config_of(data=data, out=tmp_path, variants=row, evaluate="finetune", **QUICK))
    *tried, (chosen, train, test) = seen
    assert chosen == pytest.approx(3 * own)
    assert len(tried) == len(finetune.FACTORS) * finetune.FOLDS
    assert not train & test
    for _, part, held in tried:
        assert part | held == train
        assert not part & held
    assert (
        f"rate {3 * own:.3g} of {0.3 * own:.3g}, {own:.3g}, {3 * own:.3g}, chosen on 2 folds that hold out"
        in (found_of(results, row, "finetune").words)
    )


def test_fine_tuning_begins_with_the_stored_encoder_and_leaves_it_as_it_is(data, tmp_path, monkeypatch):
    begun = {}

    def spied(name):
        recipe = getattr(finetune, name)

        def spy(task, variant):
            encoder = variant.encoder(None)
            begun[variant.key] = {key: value.clone() for key, value in encoder.state_dict().items()}
            assert variant.encoder(None) is not encoder
            return recipe(task, variant)

        monkeypatch.setattr(finetune, name, spy)

    spied("train_supervised")
    spied("cross_entropy")
    rows = ("tcn-ntxent", "conmlp-ntxent")
    results = run(config_of(data=data, out=tmp_path, variants=rows, evaluate=("finetune", "knn"), **QUICK))
    folder = RunFolder.at(tmp_path)
    for key, prefix in (("tcn-ntxent", "encoder.encoder."), ("conmlp-ntxent", "encoder.")):
        stored, _ = load_tensors(folder.weights(key, 0))
        assert begun[key]
        for name, value in begun[key].items():
            torch.testing.assert_close(value, stored[prefix + name], rtol=0, atol=0)
        # What comes after it sees the encoder that was trained.
        assert found_of(results, key, "knn").top1 == pytest.approx(results.of(key)[0].knn1)
        assert found_of(results, key, "finetune").scores_sha256 != results.of(key)[0].scores_sha256


# --- a run


def test_protocols_are_added_to_a_finished_run_and_nothing_is_trained(finished, data, tmp_path):
    out = tmp_path / "run"
    options = dict(data=data, out=out, variants=("tcn-ntxent", "majority"), **QUICK)
    before = run(config_of(**options))
    assert not before.evaluations
    after = run(config_of(**options, evaluate=("knn", "semi:0.2"), resume=True))
    assert [score.seconds for score in after.scores] == [score.seconds for score in before.scores]
    assert [item.protocol for item in after.evaluations] == ["knn", "semi:0.2"]
    again = run(config_of(**options, evaluate=("robust",), resume=True))
    assert [item.protocol for item in again.evaluations] == ["knn", "semi:0.2", "robust"]
    # The same as in a run that was asked for them at once.
    wanted = found_of(finished.load(), "tcn-ntxent", "knn").scores_sha256
    assert again.evaluations[0].scores_sha256 == wanted
    assert again.info.config["evaluate"] == ["knn", "semi:0.2", "robust"]


def test_where_nothing_is_left_to_train_another_machine_may_add_protocols(data, tmp_path):
    out = tmp_path / "run"
    options = dict(data=data, out=out, variants=("random-tcn",), **QUICK)
    run(config_of(**options))
    folder = RunFolder.at(out)
    results = folder.load()
    elsewhere = replace(results, info=replace(results.info, device="Another CPU", threads=99))
    elsewhere.save(folder.results)
    after = run(config_of(**options, evaluate=("knn",), resume=True))
    assert (after.info.device, after.info.threads) == ("Another CPU", 99)
    assert any("protocols of --evaluate were computed on" in caveat for caveat in after.info.caveats)
    with pytest.raises(ConfigError, match="device was Another CPU"):
        run(config_of(**options | {"seeds": (0, 1)}, resume=True))


def test_a_row_that_is_made_again_loses_what_was_found(data, tmp_path):
    out = tmp_path / "run"
    options = dict(data=data, out=out, variants=("random-tcn",), **QUICK)
    run(config_of(**options, evaluate=("knn",)))
    folder = RunFolder.at(out)
    assert list((out / "evaluations").rglob("*.npz"))
    after = run(config_of(**options, resume=True, restart=("random-tcn",)))
    assert not after.evaluations
    assert not list((folder.path / "evaluations").rglob("*.npz"))


def test_weights_that_cannot_be_read_are_a_caveat_and_stop_nothing(data, tmp_path):
    options = dict(data=data, out=tmp_path / "run", variants=("random-tcn", "tcn-ntxent"), **QUICK)
    run(config_of(**options))
    RunFolder.at(tmp_path / "run").weights("tcn-ntxent", 0).write_bytes(b"nothing")
    results = run(config_of(**options, evaluate=("knn",), resume=True))
    assert [item.variant for item in results.evaluations] == ["random-tcn"]
    (caveat,) = [line for line in results.info.caveats if "left out" in line]
    assert caveat.startswith("tcn-ntxent, seed 0: knn was left out: ")


def test_merged_runs_keep_what_was_found(data, tmp_path):
    for seed in (0, 1):
        run(
            config_of(
                data=data,
                out=tmp_path / f"seed{seed}",
                variants=("random-tcn",),
                evaluate=("knn", "semi:0.2"),
                seeds=(seed,),
                **QUICK,
            )
        )
    merged = merge([tmp_path / "seed0", tmp_path / "seed1"], tmp_path / "both")
    folder = RunFolder.at(tmp_path / "both")
    assert [(item.seed, item.protocol) for item in merged.evaluations] == [
        (seed, protocol) for seed in (0, 1) for protocol in ("knn", "semi:0.2")
    ]
    for item in folder.load().evaluations:
        if item.protocol == "knn":
            folder.load_evaluation(item)
        else:
            assert merged.lists[item.lists]


def test_the_page_shows_the_protocols_the_curves_and_the_controls(finished):
    text = finished.page.read_text()
    for word in ("Further protocols", "semi:0.2 %", "noise, cm", "Self-supervised rows against"):
        assert word in text
    titles, rows = table(finished.load())
    assert {row[0] for row in rows} == set(WITH_ENCODER)
    assert titles == ["variant", *(f"{name} %" for name in joined(ALL))]
    assert text.count('<th scope="row">tcn-ntxent</th><td>classifier</td>') == 1
    assert text.count('<th scope="row">tcn-ntxent</th><td>1-NN</td>') == 1


def test_results_are_read_again(finished):
    results = finished.load()
    results.save(finished.path / "copy.json")
    assert Results.load(finished.path / "copy.json") == results
