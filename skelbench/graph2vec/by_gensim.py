"""PV-DBOW by gensim, from its corpus file: the peer and the oracle of `pv_dbow`.

New documents get vectors as by gensim's `infer_vector` (vectors learn, the table stays), but a whole file at a time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelbench.graph2vec.documents import Documents, Vocabulary, distinct, write_corpus
from skelbench.graph2vec.pv_dbow import Progress, Settings, Trained, nothing_learned

GENSIM_DOCUMENT_LIMIT = 10_000
"""MAX_DOCUMENT_LEN of gensim's doc2vec_inner, which ignores further words."""


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
    if unmoved == len(documents):
        raise nothing_learned(documents, vocabulary, settings)
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
    return vectors, int((vectors == before).all(axis=1).sum())
