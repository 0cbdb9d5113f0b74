"""`knn`: the class of the nearest training representation, by cosine: retrieval with the training clips' labels."""

from __future__ import annotations

from skelbench.eval.metrics import class_similarity
from skelbench.eval.protocols.frozen import Found, Frozen


def knn(frozen: Frozen, argument: str) -> Found:
    """A class's logit is the similarity of its nearest training clip."""
    similarity = class_similarity(
        frozen.train_representations.numpy(),
        frozen.train_label.numpy(),
        frozen.test_representations.numpy(),
        frozen.clips.classes,
    )
    return Found(similarity)
