"""PV-DBOW (Le and Mikolov 2014, section 2.3) by gensim, from its corpus file.

The document vectors are trained to predict the document's words among negative samples; word order plays no part. A
trained model is its output table. It gives vectors to new documents as gensim's `infer_vector` does (vectors learn, the
table stays), but a whole file at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.graph2vec.documents import Documents, Vocabulary, distinct, write_corpus

GENSIM_DOCUMENT_LIMIT = 10_000
"""MAX_DOCUMENT_LEN of gensim's doc2vec_inner, which ignores further words."""
Progress = Callable[[str, int, int], Any]
"""(stage, done, total); stages are "corpus" (documents) and "epoch"."""


@dataclass(frozen=True)
class Settings:
    """The hyper-parameters of PV-DBOW, in the names of `Graph2Vec`."""

    dimensions: int
    epochs: int
    learning_rate: float
    min_learning_rate: float
    sample: float
    negative: int
    workers: int
    seed: int


@dataclass(frozen=True)
class Trained:
    """Results of training."""

    vectors: NDArray[np.float32]
    """(N, dimensions), vectors of the documents."""
    table: NDArray[np.float32]
    """(words, dimensions), output vectors."""
    unmoved: int
    """Documents without a word that was trained on."""


def gensim_doc2vec() -> Any:
    """The Doc2Vec class of gensim.

    Raises:
        ImportError: gensim is missing; the message says how to install it.
    """
    try:
        from gensim.models.doc2vec import Doc2Vec
    except ImportError as error:
        raise ImportError(
            "graph2vec needs gensim; install it with: pip install 'skelbench[graph]'"
        ) from error
    return Doc2Vec


def train(
    documents: Documents, vocabulary: Vocabulary, settings: Settings, on_progress: Progress | None = None
) -> Trained:
    """Train document vectors and the output table.

    One worker repeats its bits for a seed; more workers do not.
    """
    model = _model(vocabulary, settings, len(documents))
    vectors, unmoved = _run(model, documents, vocabulary, settings, on_progress)
    table = np.empty_like(model.syn1neg)
    table[_rows(model, vocabulary)] = model.syn1neg
    return Trained(vectors, table, unmoved)


def infer(
    documents: Documents,
    vocabulary: Vocabulary,
    table: NDArray[np.float32],
    settings: Settings,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Vectors of documents under a fixed output table, float32 (N, dimensions).

    Vectors start at zero, and equal documents get equal vectors. gensim's own start and its random draws would tell at
    which place of the file a document stood. Where training and test clips are listed in the same order of classes, a
    classifier learns classes from that place.
    """
    first, which = distinct(documents)
    model = _model(vocabulary, settings, len(first))
    model.syn1neg = np.ascontiguousarray(table[_rows(model, vocabulary)])
    model.learn_hidden = False
    model.dv.vectors[:] = 0
    return _run(model, documents.take(first), vocabulary, settings, on_progress)[0][which]


def _rows(model: Any, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """For each word in gensim's order (by frequency), its position in the vocabulary."""
    return np.array([int(word, 16) - 1 for word in model.wv.index_to_key], dtype=np.int64)


def _model(vocabulary: Vocabulary, settings: Settings, documents: int) -> Any:
    doc2vec = gensim_doc2vec()
    from gensim.models.doc2vec_corpusfile import d2v_train_epoch_dbow

    class CorpusFileDoc2Vec(doc2vec):  # type: ignore[misc, valid-type]
        """Doc2Vec whose corpus-file training can leave the output table alone, as `infer_vector` does."""

        learn_hidden = True

        def _do_train_epoch(
            self,
            corpus_file: str,
            thread: int,
            _offset: float,
            words: Any,
            memory: Any,
            epoch: int,
            **sizes: Any,
        ) -> tuple[int, int, int]:
            report: tuple[int, int, int] = d2v_train_epoch_dbow(
                self,
                corpus_file,
                sizes["offsets"][thread],
                sizes["start_doctags"][thread],
                words,
                epoch,
                sizes["total_examples"],
                sizes["total_words"],
                *memory,
                len(self.dv),
                doctag_vectors=self.dv.vectors,
                doctags_lockf=self.dv.vectors_lockf,
                train_words=False,
                learn_hidden=self.learn_hidden,
            )
            return report

    model = CorpusFileDoc2Vec(
        dm=0,
        dbow_words=0,
        hs=0,
        negative=settings.negative,
        vector_size=settings.dimensions,
        min_count=1,
        sample=settings.sample,
        epochs=settings.epochs,
        alpha=settings.learning_rate,
        min_alpha=settings.min_learning_rate,
        workers=settings.workers,
        seed=settings.seed,
    )
    # Word frequencies are known, so gensim need not scan the file. Without a scan it makes no room for the documents,
    # and would silently train nothing.
    model.dv.index_to_key = list(range(documents))
    model.build_vocab_from_freq(
        dict(zip(vocabulary.words(), vocabulary.counts.tolist(), strict=True)), corpus_count=documents
    )
    return model


def _run(
    model: Any,
    documents: Documents,
    vocabulary: Vocabulary,
    settings: Settings,
    on_progress: Progress | None,
) -> tuple[NDArray[np.float32], int]:
    """The document vectors after all epochs, and how many of them did not move."""
    from gensim.models.callbacks import CallbackAny2Vec

    if documents.length > GENSIM_DOCUMENT_LIMIT:
        raise ValueError(
            f"a graph has {documents.length} subtrees; gensim reads at most {GENSIM_DOCUMENT_LIMIT} of a document. Use"
            " smaller graphs or fewer iterations"
        )

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, model: Any) -> None:
            self.done += 1
            if on_progress is not None:
                on_progress("epoch", self.done, settings.epochs)

    with tempfile.TemporaryDirectory(prefix="skelbench-graph2vec-") as folder:
        path = Path(folder) / "corpus.txt"
        report = None if on_progress is None else (lambda n: on_progress("corpus", n, len(documents)))
        lines = write_corpus(documents, vocabulary, path, multiple_of=settings.workers, on_documents=report)
        before = model.dv.vectors.copy()
        # A worker stops after *more* than its share of the words. With one word less in all, that is its share.
        words = lines * documents.length - (1 if settings.workers > 1 else 0)
        model.train(
            corpus_file=str(path),
            total_examples=lines,
            total_words=words,
            epochs=settings.epochs,
            callbacks=[Epochs()],
        )
    vectors: NDArray[np.float32] = model.dv.vectors
    moved = (vectors != before).any(axis=1)
    if not moved.any():
        raise RuntimeError(
            f"gensim moved none of {len(documents)} document vectors: sample={settings.sample} leaves out nearly all"
            f" of {int(vocabulary.counts.sum())} words; use sample=0 on a corpus this small"
        )
    return vectors, int((~moved).sum())
