"""Reading a padded file keeps no padding: the peak is little above what is kept, whatever the dtype and compression."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from skelbench.data import load
from skelbench.data.formats import arrays
from skelbench.data.packing import CHUNK_BYTES


@pytest.fixture(scope="module")
def padded():
    x = np.zeros((600, 300, 150), np.float32)
    x[:, :80, :75] = np.random.default_rng(0).normal(0, 0.3, (600, 80, 75))
    return x


@pytest.mark.parametrize(
    ("dtype", "save"),
    [
        (np.float32, np.savez),
        (np.float32, np.savez_compressed),
        (np.float16, np.savez),
        (np.float64, np.savez),
    ],
)
def test_peak(tmp_path, padded, dtype, save):
    y = np.eye(60)[np.arange(600) % 60]
    path = tmp_path / "NTU60_CV.npz"
    save(
        path,
        x_train=padded[:400].astype(dtype),
        y_train=y[:400],
        x_test=padded[400:].astype(dtype),
        y_test=y[400:],
    )
    load(path)  # what is imported on the first call is not counted
    tracemalloc.start()
    clips = load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = 600 * 80 * 300
    assert clips.joints.nbytes == expected
    # A chunk as it is, as absolute values, and as what is zero of it.
    assert peak < 1.5 * expected + 4 * CHUNK_BYTES
    assert expected + 4 * CHUNK_BYTES < padded.nbytes


def test_only_what_is_asked_for_is_read(tmp_path, padded, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=padded[:5], y=np.zeros(3))
    found = arrays.NpzArrays(tmp_path / "a.npz")
    monkeypatch.setattr(arrays.NpzArrays, "__getitem__", None)
    assert "x" in found
    assert "z" not in found
