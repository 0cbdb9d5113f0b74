"""The dataset on the CPU: memory-mapped clips stay so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skelbench.data import load, save, synthetic_corpus
from skelbench.ops.augment import draw
from skelbench.training import dataset as dataset_module
from skelbench.training.dataset import PackedDataset, _writeable


def test_a_memory_map_is_not_copied(tmp_path):
    corpus = synthetic_corpus().select(np.arange(5, 9))
    save(corpus, tmp_path / "prepared")
    clips = load(tmp_path / "prepared")
    assert isinstance(clips.joints, np.memmap)
    assert not clips.joints.flags.writeable
    data = PackedDataset(clips, torch.device("cpu"))
    np.testing.assert_array_equal(data.clips.joints.numpy(), corpus.joints)
    with open("/proc/self/maps") as maps:  # the tensor's memory is a private map of the file
        spans = [line.split() for line in maps if line.rstrip().endswith("prepared/joints.npy")]
    address = data.clips.joints.data_ptr()
    inside = [
        span for span in spans if int(span[0].split("-")[0], 16) <= address < int(span[0].split("-")[1], 16)
    ]
    assert [span[1] for span in inside] == ["rw-p"]
    data.clips.joints[0] = 7  # what is written stays in memory
    np.testing.assert_array_equal(load(tmp_path / "prepared").joints, corpus.joints)


def test_a_part_of_a_memory_map(tmp_path):
    """A slice of a map has the whole file's offset, so it is copied and not mapped from the wrong place."""
    corpus = synthetic_corpus().select(np.arange(3))
    np.save(tmp_path / "joints.npy", corpus.joints)
    part = np.load(tmp_path / "joints.npy", mmap_mode="r")[10:]
    np.testing.assert_array_equal(_writeable(part), corpus.joints[10:])


def resident(path) -> int:
    """Kilobytes of the maps of a file that are in this process's resident memory."""
    with open("/proc/self/smaps") as maps:
        lines = maps.read().splitlines()
    starts = [index for index, line in enumerate(lines) if line.endswith(str(path))]
    return sum(int(next(line for line in lines[at:] if line.startswith("Rss:")).split()[1]) for at in starts)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")
def test_a_large_memory_map_does_not_stay_resident(tmp_path, monkeypatch):
    corpus = synthetic_corpus(clips=300)
    save(corpus, tmp_path / "prepared")
    clips = load(tmp_path / "prepared")
    assert resident(tmp_path / "prepared" / "joints.npy") == 0  # though `load` looked at every number
    data = PackedDataset(clips, torch.device("cpu"))
    everything = torch.arange(len(clips))
    shear, reverse = draw(len(clips), torch.Generator().manual_seed(0), True)
    before = data.views(everything, shear, reverse)
    kilobytes = resident(tmp_path / "prepared" / "joints.npy")
    assert kilobytes * 1024 > 0.9 * corpus.joints.nbytes
    monkeypatch.setattr(dataset_module, "_RESIDENT", 0)
    monkeypatch.setattr(dataset_module, "_RELEASED_AFTER", 299)
    data.views(everything[:1], shear[:1], reverse[:1])
    assert resident(tmp_path / "prepared" / "joints.npy") < kilobytes / 2
    again = data.views(everything, shear, reverse)
    torch.testing.assert_close(again.joints, before.joints, rtol=0, atol=0)
