"""Every benchmark case once, at its small size: its result and its peers' are right, and bounds can be made of it."""

import pytest

from benchmarks import cases
from benchmarks.cases import Unavailable


@pytest.mark.parametrize("instance", cases.instances("small"), ids=lambda instance: instance.id)
def test_case_and_its_peers_give_the_right_result(instance):
    problem = instance.problem()
    problem.ours.run()
    problem.ours.check()
    assert problem.flops + problem.bytes > 0
    assert bool(problem.items) == bool(problem.unit)
    for peer in instance.case.peers:
        if peer == "torch.compile":
            continue  # the eager form through a compiler that takes half a minute: checked before it is timed
        try:
            contender = instance.contender(peer, problem)
        except Unavailable as reason:
            assert "is not installed" in str(reason)  # noqa: PT017 -- small sizes suit every peer
            continue
        contender.run()
        contender.check()
        assert 0 < contender.share <= 1


def test_ids_are_unique():
    for size in cases.SIZES:
        for device in ("cpu", "cuda"):
            ids = [instance.id for instance in cases.instances(size, device)]
            assert len(ids) == len(set(ids))


def test_every_case_can_be_found_by_its_id():
    for instance in cases.instances("full"):
        assert cases.find(instance.family, instance.id) == instance


def test_readme_table_is_short():
    assert len(cases.instances("default")) <= 15


def test_keyword_selects_by_family_and_name():
    assert {i.family for i in cases.instances("small", keyword="ragged/")} == {"ragged"}
    named = [i.case.name for i in cases.instances("small", keyword="pv_dbow,corpus")]
    assert named == ["pv_dbow", "pv_dbow_train", "pv_dbow_infer", "corpus"]
