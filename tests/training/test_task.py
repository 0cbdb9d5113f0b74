"""The dataset on the CPU: memory-mapped clips stay so."""

from __future__ import annotations

import numpy as np
import torch

from skelbench.data import load, save, synthetic_corpus
from skelbench.training.task import PackedDataset, _writeable


def test_a_memory_map_is_not_copied(tmp_path):
    corpus = synthetic_corpus().select(np.arange(5, 9))
    save(corpus, tmp_path / "prepared")
    clips = load(tmp_path / "prepared")
    assert isinstance(clips.joints, np.memmap)
    assert not clips.joints.flags.writeable
    data = PackedDataset(clips, torch.device("cpu"))
    np.testing.assert_array_equal(data.joints.numpy(), corpus.joints)
    with open("/proc/self/maps") as maps:  # the tensor's memory is a private map of the file
        spans = [line.split() for line in maps if line.rstrip().endswith("prepared/joints.npy")]
    address = data.joints.data_ptr()
    inside = [
        span for span in spans if int(span[0].split("-")[0], 16) <= address < int(span[0].split("-")[1], 16)
    ]
    assert [span[1] for span in inside] == ["rw-p"]
    data.joints[0] = 7  # what is written stays in memory
    np.testing.assert_array_equal(load(tmp_path / "prepared").joints, corpus.joints)


def test_a_part_of_a_memory_map(tmp_path):
    """A slice of a map has the whole file's offset, so it is copied and not mapped from the wrong place."""
    corpus = synthetic_corpus().select(np.arange(3))
    np.save(tmp_path / "joints.npy", corpus.joints)
    part = np.load(tmp_path / "joints.npy", mmap_mode="r")[10:]
    np.testing.assert_array_equal(_writeable(part), corpus.joints[10:])
