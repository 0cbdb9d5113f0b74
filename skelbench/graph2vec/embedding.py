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
    vectors, one per subtree kept. `transform` computes vectors of any graphs, training graphs included, under that
    table, and skips subtrees that are not in it. `vectors_` holds the vectors of the training graphs as trained. For
    the transductive form, fit on all graphs and use those.

    Graphs are a `SkeletonGraphs` or a sequence of networkx graphs. The defaults of iterations, dimensions, epochs,
    learning_rate and sample are those of the NITAP report (see `models.conmlp`).

    Attributes:
        vocabulary_: the subtrees kept.
        table_: float32 (words, dimensions), their output vectors.
        vectors_: float32 (G, dimensions), vectors of the training graphs.
        n_unmoved_: training graphs whose vector training did not move, because all their words are rare.
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
        """Keep the settings; `fit` checks them, as scikit-learn wants it.

        Args:
            iterations: depth of the subtrees.
            dimensions: length of a vector.
            epochs: passes over the documents.
            learning_rate: of PV-DBOW; it falls linearly to `min_learning_rate`.
            min_learning_rate: at the end.
            sample: threshold of gensim's down-sampling of frequent words.
            min_count: least occurrences of a subtree in the training graphs; rarer ones are left out.
            negative: negative samples per word.
            workers: threads; only one repeats its bits.
            seed: of every random number.
            node_attribute: attribute that labels the nodes of networkx graphs; where no node has it, the degree does.
            cache_dir: folder that keeps fitted tables and vectors under a hash of the graphs and all settings.
            on_progress: called with (stage, done, total); stages are "corpus" (graphs written) and "epoch".
        """
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
        """Train on graphs.

        Args:
            graphs: the training graphs.
            y: ignored; scikit-learn passes it.

        Returns:
            The fitted model itself.

        Raises:
            ValueError: a setting out of range, or graphs that cannot be used: none, one without nodes, or no subtree
                as frequent as `min_count`.
            ImportError: gensim is missing.
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
        """Vectors of graphs under the table that `fit` learned.

        Args:
            graphs: any graphs.

        Returns:
            float32 (G, dimensions).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: as in `fit`.
        """
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
        """A fitted model with another's table, ready to `transform`, without vectors of training graphs."""
        model = cls(**settings)
        model.vocabulary_, model.table_ = vocabulary, table
        model.vectors_ = np.empty((0, table.shape[1]), dtype=np.float32)
        return model

    @property
    def n_table_parameters_(self) -> int:
        """Number of learned numbers: the output table and the training graphs' vectors."""
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
