"""`--init`: a training starts from stored weights, says so, and refuses weights that do not fit."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import skelbench
import skelbench.data
from skelbench.data.clips import Skeleton
from skelbench.eval import run
from skelbench.eval.progress import Progress
from skelbench.pages.run import render
from skelbench.runs.folder import RunFolder
from skelbench.training.tensors import load_tensors, save_tensors
from tests.conftest import config_of, make_clips

QUICK = dict(
    epochs=3, lr=0.05, probe_epochs=3, batch_size=16, stream_epochs=2, sequence_epochs=2, windows=3, threads=1,
    device="cpu",
)  # fmt: skip
STORED = ("conmlp-supcon", "tcn-ntxent", "majority")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A data set, and a run of two seeds on it."""
    folder = tmp_path_factory.mktemp("init")
    skelbench.data.save(make_clips(), folder / "data")
    run(config_of(data=folder / "data", out=folder / "source", variants=STORED, seeds=(0, 3), **QUICK))
    return folder


def trained(base, out, variants, source="conmlp-supcon", **options):
    init = f"{base / 'source'}:{source}" if source else None
    return run(config_of(**dict(data=base / "data", out=out, variants=variants, init=init) | QUICK | options))


@pytest.mark.parametrize(
    ("variant", "source"),
    [
        ("conmlp-ce", "conmlp-supcon"),
        ("conmlp-recon", "conmlp-supcon"),
        ("conmlp-ntxent", "conmlp-supcon"),
        ("tcn", "tcn-ntxent"),
        ("tcn-supcon", "tcn-ntxent"),
    ],
)
def test_a_training_of_no_steps_to_speak_of_keeps_the_stored_encoder(base, variant, source, tmp_path):
    still = dict(epochs=1, lr=1e-12, stream_epochs=1, stream_lr=1e-12, seeds=1)
    trained(base, tmp_path / "run", variant, source, **still)
    trained(base, tmp_path / "random", variant, None, **still)
    stored, kept, random = (
        matrices(RunFolder(folder).weights(key, seed))
        for folder, key, seed in (
            (base / "source", source, 0), (tmp_path / "run", variant, 1), (tmp_path / "random", variant, 1),
        )
    )  # fmt: skip
    assert stored.keys() == kept.keys()
    for name, weight in stored.items():
        np.testing.assert_allclose(kept[name], weight, atol=1e-6, err_msg=name)
    assert any(not np.allclose(random[name], weight, atol=1e-3) for name, weight in stored.items())


def matrices(path):
    """The encoder's weights that a training moves, by name."""
    return {
        name: weight
        for name, weight in load_file(path).items()
        if name.startswith("encoder.") and weight.ndim > 1
    }


def test_it_is_recorded_shown_and_stored_with_the_weights(base, tmp_path):
    results = trained(base, tmp_path / "run", ("conmlp-ce", "majority"), seeds=(1, 3))
    assert not results.failures
    starts = {(score.variant, score.seed): score.init for score in results.scores}
    word = f"{base / 'source'}:conmlp-supcon"
    # Seed 3 starts from seed 3, and seed 1, which the source lacks, from its smallest.
    assert starts["conmlp-ce", 3].startswith(f"{word}, seed 3, sha256 ")
    assert starts["conmlp-ce", 1].startswith(f"{word}, seed 0, sha256 ")
    assert starts["majority", 1] == ""
    page = render(RunFolder(tmp_path / "run").load(), RunFolder(tmp_path / "run"))
    assert f"from {word}; 3 epochs" in page
    assert f"conmlp-ce: started from {word} (tiny, xview)" in page
    assert skelbench.load(tmp_path / "run", "conmlp-ce", seed=3).built.init == f"{word}, seed 3"
    assert "--init" in results.info.command


def test_test_clips_that_the_weights_may_have_seen_are_counted(base, tmp_path):
    # Subjects 1 and 3 were seen by camera 1 alone, which the source trained on; of the others it tested every clip.
    results = trained(base, tmp_path / "run", "conmlp-ce", protocol="loso")
    lines = [line for line in results.info.caveats if "may have been trained" in line]
    assert [line.split(":")[0] for line in lines] == ["conmlp-ce, subject 1", "conmlp-ce, subject 3"]
    assert all("on 12 of the 12 test clips" in line for line in lines)
    same = trained(base, tmp_path / "same", "conmlp-ce")
    assert not [line for line in same.info.caveats if "may have been trained" in line]


def test_shorter_clips_of_fewer_people_are_taken(tmp_path):
    skelbench.data.save(make_clips(bodies=2), tmp_path / "two")
    run(config_of(data=tmp_path / "two", out=tmp_path / "source", variants=("conmlp-ce", "tcn"), **QUICK))
    skelbench.data.save(make_clips(seed=1), tmp_path / "one")
    for variant in ("conmlp-ce", "tcn"):
        results = run(config_of(
            data=tmp_path / "one", out=tmp_path / variant, variants=(variant, "raw-linear"), length=15,
            init=f"{tmp_path / 'source'}:{variant}", **QUICK,
        ))  # fmt: skip
        assert not results.failures
        assert skelbench.load(tmp_path / variant, variant).built.shape["max_bodies"] == 2


class Stops(Progress):
    def epoch(self, log):
        if log.epoch == 2:
            raise KeyboardInterrupt


def test_a_checkpoint_belongs_to_the_weights_it_started_from(base, tmp_path):
    shutil.copytree(base / "source", tmp_path / "source")
    options = dict(data=base / "data", out=tmp_path / "run", variants="conmlp-ce", **QUICK)
    options["init"] = f"{tmp_path / 'source'}:conmlp-supcon"
    with pytest.raises(KeyboardInterrupt):
        run(config_of(**options), Stops())
    with pytest.raises(skelbench.SkelbenchError, match=r"init was .*source:conmlp-supcon, is now None"):
        run(config_of(**options | {"init": None}, resume=True))
    # The same name, other weights.
    folder = RunFolder(tmp_path / "source")
    shutil.copy(folder.weights("conmlp-supcon", 3), folder.weights("conmlp-supcon", 0))
    results = run(config_of(**options, resume=True))
    assert any("another" in line or "other settings: not resumed" in line for line in results.info.caveats)
    again = run(config_of(**options | {"out": tmp_path / "again"}))
    assert again.scores[0].scores_sha256 == results.scores[0].scores_sha256


def renamed(clips, names):
    return Skeleton(names, clips.skeleton.edges, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(init="conmlp-supcon"), "--init is 'conmlp-supcon': it must be RUN:VARIANT"),
        (dict(init="nowhere:conmlp-supcon"), "nowhere holds no run"),
        (dict(source="conmlp-ce"), "has no weights of conmlp-ce; it has conmlp-supcon, majority, tcn-ntxent"),
        (dict(variants="tcn"), "its encoder is .*ConMLP, that of tcn is .*TCN"),
        (dict(variants=("conmlp-ce", "wl-bag-gru")), "wl-bag-gru has no encoder .*leave it out"),
        (dict(variants="majority"), "none of the variants is trained"),
        (dict(stream="bone"), "trained with --stream None, this run has bone: choose the same"),
        (dict(variants="tcn", source="tcn-ntxent", stream_frames=7), "--stream-frames None, this run has 7"),
        (dict(length=100), r"takes clips of at most \d+ frames, these have up to 100: --length \d+"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_before_any_work(base, options, message, tmp_path):
    given = dict(variants="conmlp-ce") | options
    with pytest.raises(skelbench.SkelbenchError, match=message) as error:
        trained(base, tmp_path / "run", given.pop("variants"), **given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (make_clips(joints=6), "trained on 5 joints, the clips have 6"),
        (make_clips(bodies=2), "takes clips of at most 1 bodies, these have up to 2"),
        (replace(make_clips(), unit="pixel"), "trained on coordinates in metre, these are in pixel"),
    ],
)
def test_other_clips_are_one_line(base, clips, message, tmp_path):
    skelbench.data.save(clips, tmp_path / "other")
    with pytest.raises(skelbench.SkelbenchError, match=message):
        trained(base, tmp_path / "run", "conmlp-ce", data=tmp_path / "other", unit="keep")


def test_another_order_of_joints_is_named(base, tmp_path):
    clips = make_clips()
    names = ("joint1", "joint0", *clips.skeleton.joint_names[2:])
    skelbench.data.save(replace(clips, skeleton=renamed(clips, names)), tmp_path / "other")
    with pytest.raises(
        skelbench.SkelbenchError, match="joint 0 is 'joint0' there, and 'joint1' in these clips"
    ):
        trained(base, tmp_path / "run", "conmlp-ce", data=tmp_path / "other")


def test_a_tensor_of_another_shape_is_named_by_its_row(base, tmp_path):
    shutil.copytree(base / "source", tmp_path / "source")
    path = RunFolder(tmp_path / "source").weights("conmlp-supcon", 0)
    tensors, record = load_tensors(path)
    name = next(name for name in tensors if name.startswith("encoder.") and tensors[name].ndim == 1)
    save_tensors(path, tensors | {name: torch.zeros(3)}, record)
    results = trained(base, tmp_path / "run", "conmlp-ce", init=f"{tmp_path / 'source'}:conmlp-supcon")
    (failure,) = results.failures
    assert f"{name} is (3,) there, and (256,) here" in failure.reason


def test_a_recipe_that_ignores_the_weights_is_no_fine_tuning(base, tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "from dataclasses import replace\n"
        "from skelbench.variants import choose\n"
        "from skelbench.training.encoder import cross_entropy\n"
        "def recipe(task, variant):\n    return cross_entropy(replace(task, initial=None), variant)\n"
        "ROW = replace(choose(('conmlp-ce',))[0], key='deaf', recipe=recipe)\n"
    )
    monkeypatch.chdir(tmp_path)
    (failure,) = trained(base, tmp_path / "run", "own:ROW").failures
    assert "the recipe of deaf starts from no stored weights" in failure.reason


def test_merged_runs_started_from_the_same_weights(base, tmp_path):
    from skelbench.runs.merge import MergeError, merge

    trained(base, tmp_path / "one", "conmlp-ce", seeds=0)
    trained(base, tmp_path / "two", "conmlp-ce", None, seeds=3)
    with pytest.raises(MergeError, match="started from other weights"):
        merge([tmp_path / "one", tmp_path / "two"], tmp_path / "both")


def test_folds_start_from_their_own_and_a_split_from_none_of_them(base, tmp_path):
    options = dict(data=base / "data", variants="conmlp-ce", protocol="loso", **QUICK)
    run(config_of(**options, out=tmp_path / "folds"))
    init = f"{tmp_path / 'folds'}:conmlp-ce"
    results = run(config_of(**options, out=tmp_path / "again", init=init))
    assert not results.failures
    assert not [line for line in results.info.caveats if "may have been trained" in line]
    with pytest.raises(skelbench.SkelbenchError, match="its weights are those of the folds subject-1"):
        run(config_of(**options | {"protocol": "xview"}, out=tmp_path / "one", init=init))
    stored = json.loads((tmp_path / "again" / "results.json").read_text())
    assert len({score["init"] for score in stored["scores"]}) == 4  # four files
