"""gensim's own way to feed Doc2Vec: an iterable of tagged documents of strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from skelbench.graph2vec import pv_dbow


def train(words: list[list[str]], settings: pv_dbow.Settings, min_count: int) -> Any:
    """A trained gensim model with the hyper-parameters of `settings`."""
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    tagged = [TaggedDocument(row, [place]) for place, row in enumerate(words)]
    return Doc2Vec(
        tagged, dm=0, dbow_words=0, hs=0, vector_size=settings.dimensions, min_count=min_count,
        sample=settings.sample, negative=settings.negative, epochs=settings.epochs, alpha=settings.learning_rate,
        min_alpha=settings.min_learning_rate, workers=settings.workers, seed=settings.seed,
    )  # fmt: skip


def vectors(model: Any) -> np.ndarray[Any, Any]:
    """Document vectors float32 (N, dimensions)."""
    found: np.ndarray[Any, Any] = model.dv.vectors
    return found
