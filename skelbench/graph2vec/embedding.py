"""graph2vec (Narayanan et al. 2017): graphs -> vectors, by PV-DBOW over the rooted subtrees of each graph."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skelbench.graph2vec import cache, pv_dbow
from skelbench.graph2vec.documents import Documents, SkeletonDocuments, Vocabulary, build_vocabulary
from skelbench.graph2vec.from_networkx import networkx_documents
from skelbench.graph2vec.graphs import SkeletonGraphs

Graphs = SkeletonGraphs | Sequence[Any]


class Graph2Vec(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn a vector for each graph; a scikit-learn transformer.

    `fit` counts the subtrees of the training graphs and trains document vectors together with a table of output
    vectors, one per subtree kept. `transform` gives vectors to any graphs, training graphs included, under that table;
    `vectors_` holds those that the training itself gave the training graphs (for the transductive use: fit on all).
    Subtrees that were not kept in `fit` are passed over.

    Graphs are a `SkeletonGraphs` or a sequence of networkx graphs.

    iterations: depth of the subtrees (report: 2).
    dimensions, epochs, learning_rate, sample: of PV-DBOW (report: 128, 10, 0.025, 1e-4; the rate falls linearly to
        `min_learning_rate`).
    min_count: least occurrences of a subtree in the training graphs; rarer ones are left out.
    negative: negative samples per word.
    workers: threads; only one gives the same bits again.
    node_attribute: attribute that labels the nodes of networkx graphs; where no node has it, the degree does.
    cache_dir: folder in which fitted tables and vectors are kept under a hash of the graphs and all settings.
    on_progress: called with (stage, done, total); stages are "corpus" (graphs written) and "epoch".

    Attributes: `vocabulary_`, `table_` float32 (words, dimensions), `vectors_` float32 (G, dimensions),
    `n_unmoved_`: training graphs whose vector training did not move, because all their words are rare.
    """

    vocabulary_: Vocabulary
    table_: NDArray[np.float32]
    vectors_: NDArray[np.float32]

    def __init__(
        self,
        *,
        iterations: int = 2,
        dimensions: int = 128,
        epochs: int = 10,
        learning_rate: float = 0.025,
        min_learning_rate: float = 0.0001,
        sample: float = 1e-4,
        min_count: int = 5,
        negative: int = 5,
        workers: int = 1,
        seed: int = 0,
        node_attribute: str = "feature",
        cache_dir: str | Path | None = None,
        on_progress: pv_dbow.Progress | None = None,
    ) -> None:
        self.iterations = iterations
        self.dimensions = dimensions
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.sample = sample
        self.min_count = min_count
        self.negative = negative
        self.workers = workers
        self.seed = seed
        self.node_attribute = node_attribute
        self.cache_dir = cache_dir
        self.on_progress = on_progress

    def fit(self, graphs: Graphs, y: object = None) -> Graph2Vec:
        """Train on the graphs; `y` is there for scikit-learn and not looked at.

        Raises ValueError for a setting or graphs that cannot be used (no graph, a graph without nodes, no subtree as
        frequent as `min_count`), ImportError where gensim is missing.
        """
        settings = self._settings()
        documents = self._documents(graphs)
        name = self._cache_name(documents, kind="fit")
        stored = cache.load(self.cache_dir, name)
        if stored is None:
            vocabulary = build_vocabulary(documents, self.min_count)
            trained = pv_dbow.train(documents, vocabulary, settings, self.on_progress)
            stored = {
                "tokens": vocabulary.tokens,
                "counts": vocabulary.counts,
                "distinct": np.array(vocabulary.distinct),
                "table": trained.table,
                "vectors": trained.vectors,
                "unmoved": np.array(trained.unmoved),
            }
            cache.store(self.cache_dir, name, stored)
        self.vocabulary_ = Vocabulary(stored["tokens"], stored["counts"], int(stored["distinct"]))
        self.table_ = stored["table"]
        self.vectors_ = stored["vectors"]
        self.n_unmoved_ = int(stored["unmoved"])
        return self

    def transform(self, graphs: Graphs) -> NDArray[np.float32]:
        """Vectors of graphs under the table that `fit` learned: float32 (G, dimensions)."""
        check_is_fitted(self, "table_")
        settings = self._settings()
        documents = self._documents(graphs)
        name = self._cache_name(documents, kind="transform", table=[self.vocabulary_.tokens, self.table_])
        stored = cache.load(self.cache_dir, name)
        if stored is None:
            vectors = pv_dbow.infer(documents, self.vocabulary_, self.table_, settings, self.on_progress)
            stored = {"vectors": vectors}
            cache.store(self.cache_dir, name, stored)
        return stored["vectors"]

    @classmethod
    def from_table(cls, vocabulary: Vocabulary, table: NDArray[np.float32], **settings: Any) -> Graph2Vec:
        """A fitted model from what another learned, ready to `transform`; it has no vectors of training graphs."""
        model = cls(**settings)
        model.vocabulary_, model.table_ = vocabulary, table
        model.vectors_ = np.empty((0, table.shape[1]), dtype=np.float32)
        return model

    @property
    def n_table_parameters_(self) -> int:
        """Numbers learned by `fit`: the output table and the training graphs' own vectors."""
        check_is_fitted(self, "table_")
        return int(self.table_.size + self.vectors_.size)

    @property
    def _n_features_out(self) -> int:
        return self.dimensions

    def _documents(self, graphs: Graphs) -> Documents:
        if isinstance(graphs, SkeletonGraphs):
            documents: Documents = SkeletonDocuments(graphs, self.iterations)
        else:
            documents = networkx_documents(graphs, self.iterations, self.node_attribute)
        if len(documents) == 0:
            raise ValueError("no graphs given; pass at least one")
        return documents

    def _cache_name(self, documents: Documents, kind: str, table: Sequence[NDArray[Any]] = ()) -> str:
        """Hash of the graphs, the settings and, for `transform`, the fitted table; empty without a cache."""
        if self.cache_dir is None:
            return ""
        settings = {
            k: v for k, v in self.get_params(deep=False).items() if k not in ("cache_dir", "on_progress")
        }
        return cache.key(
            kind=kind,
            graphs=cache.digest(itertools.chain([np.array(documents.length)], documents.chunks())),
            table=cache.digest(table),
            **settings,
        )

    def _settings(self) -> pv_dbow.Settings:
        at_least = {
            "iterations": 0,
            "dimensions": 1,
            "epochs": 1,
            "min_count": 1,
            "negative": 1,
            "workers": 1,
        }
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.min_learning_rate <= self.learning_rate:
            raise ValueError(
                f"learning_rate {self.learning_rate} must not be below min_learning_rate {self.min_learning_rate},"
                " and both must be positive"
            )
        if not 0 <= self.sample < 1:
            raise ValueError(f"sample must be in [0, 1), got {self.sample}")
        names = pv_dbow.Settings.__dataclass_fields__
        return pv_dbow.Settings(**{name: getattr(self, name) for name in names})
