"""The protocols of `--evaluate`: what each measures, that it is stored, shown, merged and added to a finished run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import skelbench.data
from skelbench.data.clips import DataError
from skelbench.data.joint_mapping import onto, parts
from skelbench.data.skeletons import NTU_25, skeleton_from
from skelbench.eval import Results, metrics, run
from skelbench.eval.config import ConfigError
from skelbench.eval.protocols import finetune
from skelbench.eval.protocols.perturb import PERTURBATIONS, Body, limbs, perturbed
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
def other(tmp_path_factory):
    """The same movements, of people who are called otherwise, in centimetres and with z up."""
    clips = make_clips(clips=48, seed=5)
    names = ("pelvis", "torso", "neck", "head", "left_elbow")
    skeleton = skeleton_from(names, ((1, 0), (2, 1), (3, 2), (4, 2)))
    path = tmp_path_factory.mktemp("other") / "other"
    skelbench.data.save(replace(clips, joints=clips.joints[..., [0, 2, 1]], skeleton=skeleton), path)
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


# --- transfer


def test_transfer_reads_the_joints_by_their_names(other, tmp_path):
    skeleton = skeleton_from(
        ("hip_center", "spine", "shoulder_center", "head", "l_elbow", "l_wrist"),
        ((1, 0), (2, 1), (3, 2), (4, 2), (5, 4)),
    )
    clips = make_clips(clips=48, joints=6)
    path = tmp_path / "own"
    skelbench.data.save(replace(clips, skeleton=skeleton), path)
    results = run(
        config_of(
            data=path,
            out=tmp_path / "run",
            variants=("tcn-ntxent", "conmlp-ntxent"),
            evaluate=(f"transfer:{other}",),
            **QUICK,
        )
    )
    assert not [line for line in results.info.caveats if "left out" in line]
    for variant in ("tcn-ntxent", "conmlp-ntxent"):
        found = found_of(results, variant, f"transfer:{other}")
        assert found.n_test == 24
        assert "l_wrist" in found.words
    assert found_of(results, "tcn-ntxent", f"transfer:{other}").top1 > 0.5


def test_another_skeleton_altogether_is_left_out_with_a_reason(data, other, tmp_path):
    results = run(
        config_of(
            data=data,
            out=tmp_path / "run",
            variants=("random-tcn",),
            evaluate=(f"transfer:{other}", "knn"),
            **QUICK,
        )
    )
    assert [item.protocol for item in results.evaluations] == ["knn"]
    (caveat,) = [line for line in results.info.caveats if "transfer:" in line]
    assert "have a counterpart by name" in caveat


def test_parts_are_found_under_the_names_of_each_data_set():
    kinect = ("hip_center", "spine", "shoulder_center", "head", "l_shoulder", "l_elbow", "r_ankle")
    asf = ("root", "lowerback", "thorax", "head", "lclavicle", "lhumerus", "rtibia")
    ntu = parts(NTU_25.joint_names)
    for names in (kinect, asf):
        assert list(parts(names).items()) == list(zip(parts(kinect), range(7), strict=True))
        assert set(parts(names)) <= set(ntu)
    assert ntu["left hand"] == 7
    assert ntu["hips"] == 0


def test_a_joint_that_is_missing_lies_at_its_nearest_neighbour():
    clips = make_clips(clips=6, joints=7)
    names = ("pelvis", "head", "l_shoulder", "l_elbow", "r_shoulder", "r_elbow", "r_knee")
    clips = replace(clips, skeleton=skeleton_from(names, ()))
    mapped, missing = onto(clips, NTU_25)
    assert mapped.skeleton == NTU_25
    place = {name: number for number, name in enumerate(NTU_25.joint_names)}
    for here, there in (("left_wrist", 3), ("left_hand_tip", 3), ("right_knee", 6), ("spine_base", 0)):
        np.testing.assert_array_equal(mapped.joints[:, place[here]], clips.joints[:, there])
    assert "left_hand_tip" in missing
    assert "right_knee" not in missing
    few = replace(clips, skeleton=skeleton_from([f"marker {n}" for n in "abcdefg"], ()))
    with pytest.raises(DataError, match="0 of its joints have a counterpart by name"):
        onto(few, NTU_25)


# --- perturbations


@pytest.fixture(scope="module")
def people():
    """NTU's skeleton, one or two people; the second is away in the first frames."""
    clips = make_clips(clips=12, joints=25, bodies=2)
    joints = clips.joints.copy().reshape(-1, 2, 25, 3)
    starts = clips.offsets[:-1] // 2
    joints[starts, 1] = 0
    joints[starts + 1, 1] = 0
    return replace(clips, joints=joints.reshape(-1, 25, 3), skeleton=NTU_25)


@pytest.mark.parametrize("what", KINDS)
def test_every_perturbation_repeats_and_leaves_the_absent_absent(what, people):
    kind, body = KINDS[what], Body(limbs(NTU_25), 1, 0.01)
    for amount in kind.amounts:
        one, two = (perturbed(people, kind, amount, body) for _ in range(2))
        np.testing.assert_array_equal(one.joints, two.joints)
        for index in range(len(people)):
            clip, was = one.clip(index), people.clip(index)
            assert clip.shape[1:] == was.shape[1:]
            assert 1 <= len(clip) <= len(was)
            absent = ~was.any(axis=(2, 3))
            if len(clip) == len(was):
                assert not clip[absent].any()
    whole = perturbed(people, replace(kind, perturb=lambda clip, *_: clip), 1, body)
    np.testing.assert_array_equal(whole.joints, people.joints)


def test_joints_and_limbs_are_lost_throughout(people):
    body = Body(limbs(NTU_25), 1, 0.01)
    for share in KINDS["joints lost, share"].amounts:
        found = perturbed(people, KINDS["joints lost, share"], share, body)
        for index in range(len(people)):
            assert (~found.clip(index).any(axis=(0, 1, 3))).sum() == round(25 * share)
    for number in (1, 2):
        found = perturbed(people, KINDS["limbs lost"], number, body)
        for index in range(len(people)):
            lost = set(np.flatnonzero(~found.clip(index).any(axis=(0, 1, 3))).tolist())
            assert lost in [set().union(*pair) for pair in _choices(body.limbs, number)]


def _choices(found, number):
    from itertools import combinations

    return list(combinations(map(set, found), number))


def test_arms_and_legs_are_found():
    names = NTU_25.joint_names
    found = [{names[joint] for joint in limb} for limb in limbs(NTU_25)]
    assert len(found) == 4
    assert {"left_shoulder", "left_elbow", "left_wrist", "left_hand", "left_hand_tip", "left_thumb"} in found
    assert {"right_hip", "right_knee", "right_ankle", "right_foot"} in found
    # A chain has one end; without bones the hands and feet are alone.
    assert limbs(make_clips().skeleton) == [[1, 2, 3, 4]]
    assert limbs(replace(NTU_25, edges=())) == [[7], [11], [15], [19]]


@pytest.mark.parametrize("what", [name for name in KINDS if name.startswith("frames")])
def test_frames_are_lost_in_order(what, people):
    body = Body([], 1, 0.01)
    for share in KINDS[what].amounts:
        found = perturbed(people, KINDS[what], share, body)
        for index in range(len(people)):
            clip, was = found.clip(index), people.clip(index)
            assert len(clip) == max(1, round((1 - share) * len(was)))
            places = [int(np.flatnonzero((was == frame).all(axis=(1, 2, 3)))[0]) for frame in clip]
            assert places == sorted(places)
            gaps = np.diff([-1, *places, len(was)]) - 1
            if "block" in what:
                assert (gaps > 0).sum() == 1


def test_noise_has_its_size_and_turns_keep_shape_and_vertical(people):
    body = Body([], 1, 0.01)
    there = people.joints.any(axis=(1, 2))
    moved = perturbed(people, KINDS["noise, cm"], 3, body).joints - people.joints
    assert moved[there].std() == pytest.approx(0.03, rel=0.03)
    turned = perturbed(people, KINDS["turned about the vertical, degrees"], 45, body).joints
    np.testing.assert_allclose(turned[..., 1], people.joints[..., 1], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(people.joints, axis=-1), atol=1e-5
    )
    tilted = perturbed(people, KINDS["tilted, degrees"], 20, body)
    for index in range(len(people)):
        one, two = (torch.from_numpy(clips.clip(index)[0, 0]) for clips in (people, tilted))
        map_, *_ = np.linalg.lstsq(one.numpy(), two.numpy(), rcond=None)
        assert map_[1, 1] == pytest.approx(np.cos(np.radians(20)), abs=1e-3)
