"""graph2vec (Narayanan et al. 2017): graphs -> vectors, by PV-DBOW over the rooted subtrees of each graph."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skelbench.graph2vec import by_gensim, cache, pv_dbow
from skelbench.graph2vec.counting import build_vocabulary
from skelbench.graph2vec.documents import Documents, SkeletonDocuments, Vocabulary
from skelbench.graph2vec.from_networkx import networkx_documents
from skelbench.graph2vec.graphs import SkeletonGraphs
from skelbench.ops.checks import check_integer

Graphs = SkeletonGraphs | Iterable[Any]
Embedding = Literal["op", "gensim"]
_MOST = 2**31 - 1


class Graph2Vec(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn a vector for each graph; a scikit-learn transformer.

    `fit` counts the subtrees of the training graphs and trains document vectors together with a table of output
    vectors, one per subtree kept. `transform` computes vectors of any graphs, training graphs included, under that
    table, and skips subtrees that are not in it. `vectors_` holds the vectors of the training graphs as trained. For
    the transductive form, fit on all graphs and use those.

    Graphs are a `SkeletonGraphs` or an iterable of networkx graphs. The defaults of iterations, dimensions, epochs,
    learning_rate and sample are those of the NITAP report (see `models.conmlp`).

    With `embedding="op"` the results have the same bits for any number of threads, and a vector of `transform` depends
    on its graph alone. gensim infers all graphs of a call together; there a vector varies a little with its company.

    Attributes:
        vocabulary_: the subtrees kept.
        table_: float32 (words, dimensions), their output vectors.
        vectors_: float32 (G, dimensions), vectors of the training graphs.
        n_unmoved_: training graphs whose vector training did not move, because all their words are rare.
        n_unknown_: graphs of the last `transform` without a known subtree; their vectors are zeros.
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
        vocabulary: int | None = None,
        negative: int = 5,
        embedding: Embedding = "op",
        workers: int = 1,
        seed: int = 0,
        node_attribute: str | None = "feature",
        edge_attribute: str | None = None,
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
            vocabulary: subtrees kept at most, the most frequent; None for no limit.
            negative: negative samples per word.
            embedding: "op" for `skelbench.ops.pv_dbow`, "gensim" for gensim's Doc2Vec.
            workers: threads of gensim; only one repeats its bits. The op uses torch's threads.
            seed: of every random number.
            node_attribute: attribute that labels the nodes of networkx graphs; None for their degrees. Values are told
                apart by `str()`: 1, 1.0 and True are three labels, and so are 0.0 and -0.0.
            edge_attribute: attribute that labels the edges of networkx graphs, told apart likewise; None for none.
                Subtrees of directed graphs follow the edges' direction.
            cache_dir: folder that keeps fitted tables and vectors under a hash of the graphs and all settings.
            on_progress: called with (stage, done, total); stages are "epoch", "infer" (graphs), and with gensim
                "corpus" (graphs written).
        """
        self.iterations = iterations
        self.dimensions = dimensions
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.sample = sample
        self.min_count = min_count
        self.vocabulary = vocabulary
        self.negative = negative
        self.embedding = embedding
        self.workers = workers
        self.seed = seed
        self.node_attribute = node_attribute
        self.edge_attribute = edge_attribute
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
            RuntimeError: down-sampling left nothing to learn from.
            ImportError: gensim is asked for and missing.
        """
        settings = self._settings()
        documents = self._documents(graphs)
        name = self._cache_name(documents, kind="fit")
        stored = cache.load(self.cache_dir, name)
        if stored is None:
            vocabulary = build_vocabulary(documents, self.min_count, self.vocabulary)
            train = pv_dbow.train if self.embedding == "op" else by_gensim.train
            trained = train(documents, vocabulary, settings, self.on_progress)
            stored = {
                "tokens": vocabulary.tokens,
                "counts": vocabulary.counts,
                "totals": np.array([vocabulary.distinct, vocabulary.rare, vocabulary.occurrences]),
                "table": trained.table,
                "vectors": trained.vectors,
                "unmoved": np.array(trained.unmoved),
            }
            cache.store(self.cache_dir, name, stored)
        self.vocabulary_ = Vocabulary(stored["tokens"], stored["counts"], *stored["totals"].tolist())
        self.table_ = stored["table"]
        self.vectors_ = stored["vectors"]
        self.n_unmoved_ = int(stored["unmoved"])
        return self

    def transform(self, graphs: Graphs) -> NDArray[np.float32]:
        """Vectors of graphs under the table that `fit` learned.

        Args:
            graphs: any graphs.

        Returns:
            float32 (G, dimensions). Graphs without a known subtree have zeros; a warning and `n_unknown_` count them.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: as in `fit`, or settings that do not fit the table.
        """
        check_is_fitted(self, "table_")
        settings = self._settings()
        _check_table(self.vocabulary_, self.table_, self.dimensions)
        documents = self._documents(graphs)
        name = self._cache_name(
            documents, kind="transform", table=[self.vocabulary_.tokens, self.vocabulary_.counts, self.table_]
        )
        stored = cache.load(self.cache_dir, name)
        if stored is None:
            infer = pv_dbow.infer if self.embedding == "op" else by_gensim.infer
            vectors = infer(documents, self.vocabulary_, self.table_, settings, self.on_progress)
            unknown = self.vocabulary_.without_a_word(documents)
            # gensim leaves some of them as it found them, others not.
            vectors[unknown] = 0
            stored = {"vectors": vectors, "unknown": np.array(int(unknown.sum()))}
            cache.store(self.cache_dir, name, stored)
        self.n_unknown_ = int(stored["unknown"])
        if self.n_unknown_:
            warnings.warn(
                f"{self.n_unknown_} of {len(documents)} graphs have no subtree that was kept in training; their vectors"
                " are zeros",
                stacklevel=2,
            )
        return stored["vectors"]

    @classmethod
    def from_table(cls, vocabulary: Vocabulary, table: NDArray[np.float32], **settings: Any) -> Graph2Vec:
        """A fitted model with another's table, ready to `transform`, without vectors of training graphs.

        Args:
            vocabulary: the words of the table.
            table: float32 (words, dimensions), finite.
            settings: of the constructor; `dimensions` is the table's by itself.

        Raises:
            ValueError: the table is no such array, or does not fit the vocabulary or `dimensions`.
        """
        _check_table(vocabulary, table, settings.get("dimensions"))
        model = cls(**{"dimensions": table.shape[1]} | settings)
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
            documents = networkx_documents(graphs, self.iterations, self.node_attribute, self.edge_attribute)
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
            "seed": 0,
        }
        for name, least in at_least.items():
            check_integer(name, getattr(self, name), least, _MOST)
        if self.vocabulary is not None:
            check_integer("vocabulary", self.vocabulary, 1, _MOST)
        if self.embedding not in get_args(Embedding):
            raise ValueError(
                f"embedding must be one of {', '.join(get_args(Embedding))}, got {self.embedding!r}"
            )
        if not 0 < self.min_learning_rate <= self.learning_rate:
            raise ValueError(
                f"learning_rate {self.learning_rate} must not be below min_learning_rate {self.min_learning_rate},"
                " and both must be positive"
            )
        if not 0 <= self.sample < 1:
            raise ValueError(f"sample must be in [0, 1), got {self.sample}")
        names = pv_dbow.Settings.__dataclass_fields__
        return pv_dbow.Settings(**{name: getattr(self, name) for name in names})


def _check_table(vocabulary: Vocabulary, table: NDArray[np.float32], dimensions: int | None) -> None:
    """Raise ValueError unless the table has a finite float32 row of `dimensions` numbers for each word."""
    if not isinstance(vocabulary, Vocabulary):
        raise ValueError(f"vocabulary must be a Vocabulary, not {type(vocabulary).__name__}")
    if not isinstance(table, np.ndarray) or table.dtype != np.float32 or table.ndim != 2:
        found = f"{table.dtype} {table.shape}" if isinstance(table, np.ndarray) else type(table).__name__
        raise ValueError(f"table must be a float32 array (words, dimensions), not {found}")
    if len(table) != len(vocabulary):
        raise ValueError(f"table has {len(table)} rows, but the vocabulary {len(vocabulary)} words")
    if dimensions is not None and table.shape[1] != dimensions:
        raise ValueError(
            f"dimensions is {dimensions}, but the fitted table has {table.shape[1]}: set it back, or fit again"
        )
    if not np.isfinite(table).all():
        raise ValueError("table has numbers that are not finite")
