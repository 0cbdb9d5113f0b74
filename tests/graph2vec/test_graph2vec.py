"""Documents and their embedding: every word where it should be, classes apart, repeatable, cached."""

import networkx as nx
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

pytest.importorskip("gensim", reason="gensim is not installed: pip install 'skelbench[graph]'")

from skelbench.graph2vec import Graph2Vec, skeleton_graphs
from skelbench.graph2vec.documents import NO_TOKEN, ListedDocuments, build_vocabulary, write_corpus
from tests.conftest import make_clips


def random_documents(count, seed=0):
    rng = np.random.default_rng(seed)
    return ListedDocuments([rng.zipf(1.3, rng.integers(1, 30)) % 500 for _ in range(count)])


def test_vocabulary_counts_what_is_there():
    documents = random_documents(3000)
    every = np.concatenate(documents.tokens)
    vocabulary = build_vocabulary(documents, min_count=3)
    tokens, counts = np.unique(every, return_counts=True)
    assert vocabulary.distinct == len(tokens)
    assert vocabulary.tokens.tolist() == tokens[counts >= 3].tolist()
    assert vocabulary.counts.tolist() == counts[counts >= 3].tolist()
    found = vocabulary.index(np.array([[*vocabulary.tokens, NO_TOKEN, 10**6, -5]]))
    assert found.tolist() == [[*range(1, len(vocabulary) + 1), 0, 0, 0]]


def test_vocabulary_with_nothing_left():
    with pytest.raises(ValueError, match=r"min_count=5: none of the 3 distinct subtrees of 1 graphs"):
        build_vocabulary(ListedDocuments([np.array([1, 2, 3])]), min_count=5)


def test_corpus_file_spells_every_document(tmp_path):
    documents = random_documents(101)
    vocabulary = build_vocabulary(documents, min_count=2)
    heard = []
    lines = write_corpus(documents, vocabulary, tmp_path / "c.txt", multiple_of=4, on_documents=heard.append)
    text = (tmp_path / "c.txt").read_text().splitlines()
    assert lines == len(text) == 104
    assert heard == [101]
    assert len({len(line) for line in text}) == 1
    words = dict(zip(vocabulary.words(), vocabulary.tokens.tolist(), strict=True))
    read = [[words[word] for word in line.split() if word in words] for line in text]
    known = set(vocabulary.tokens.tolist())
    assert read[:101] == [[t for t in document.tolist() if t in known] for document in documents.tokens]
    assert read[101:] == [[]] * 3


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_document_is_trained_once_an_epoch(workers):
    """Gensim counts the documents its workers went through; pieces that overlap would show."""
    from gensim.models.doc2vec import Doc2Vec

    seen = []
    original = Doc2Vec._log_epoch_end
    Doc2Vec._log_epoch_end = lambda self, epoch, examples, *rest, **kw: (
        seen.append(examples) or original(self, epoch, examples, *rest, **kw)
    )
    try:
        graphs = [nx.gnp_random_graph(n, 0.3, seed=n) for n in range(3, 100)]
        model = Graph2Vec(workers=workers, epochs=3, min_count=1, sample=0).fit(graphs)
    finally:
        Doc2Vec._log_epoch_end = original
    padded = -(-len(graphs) // workers) * workers
    assert seen == [padded] * 3
    assert model.n_unmoved_ == 0


@pytest.fixture(scope="module")
def split():
    clips = make_clips(96)
    graphs = skeleton_graphs(clips, windows=6, window=3, bin_size=0.5)
    train, test = np.flatnonzero(clips.camera == 1), np.flatnonzero(clips.camera == 2)
    return graphs.select(train), clips.label[train], graphs.select(test), clips.label[test]


def test_embedding_tells_classes_of_motion_apart_on_clips_it_has_not_seen(split):
    train, train_label, test, test_label = split
    model = Graph2Vec(dimensions=32, epochs=30, sample=0).fit(train)
    vectors = [model.transform(g).reshape(len(y), -1) for g, y in ((train, train_label), (test, test_label))]
    scores = (
        LogisticRegression(C=0.1, max_iter=500).fit(vectors[0], train_label).score(vectors[1], test_label)
    )
    assert scores > 0.6  # chance is 1/3


def test_degree_only_falls_to_chance():
    clips = make_clips(96)
    graphs = skeleton_graphs(clips, windows=6, window=3, label="degree")
    train, test = np.flatnonzero(clips.camera == 1), np.flatnonzero(clips.camera == 2)
    model = Graph2Vec(dimensions=16, epochs=10, sample=0).fit(graphs.select(train))
    vectors = [model.transform(graphs.select(part)).reshape(len(part), -1) for part in (train, test)]
    assert (vectors[0] == vectors[0][0]).all()
    assert (vectors[1] == vectors[0][0]).all()


def test_a_vector_does_not_tell_the_place_of_its_graph(split):
    """Train and test list their classes in the same order: what depends on the place would be a leak."""
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2).fit(train)
    vectors = model.transform(test).reshape(48, 6, 16)
    order = np.random.default_rng(0).permutation(48)
    assert np.array_equal(model.transform(test.select(order)).reshape(48, 6, 16), vectors[order])


def test_one_worker_repeats_itself_bit_for_bit(split):
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2, seed=3)
    first = model.fit(train).vectors_, model.transform(test)
    again = clone(model).fit(train)
    assert np.array_equal(first[0], again.vectors_)
    assert np.array_equal(first[1], again.transform(test))
    other = clone(model).set_params(seed=4).fit(train)
    assert not np.array_equal(first[0], other.vectors_)


def test_inference_leaves_the_table_alone_and_needs_no_test_graph_in_fit(split):
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2).fit(train)
    table = model.table_.copy()
    vectors = model.transform(test)
    assert np.array_equal(table, model.table_)
    assert vectors.shape == (len(test), 16)
    assert np.isfinite(vectors).all()
    assert model.n_table_parameters_ == (len(model.vocabulary_) + len(train)) * 16


def test_cache_gives_the_same_and_notices_what_differs(split, tmp_path):
    train, _, test, _ = split
    epochs = []
    model = Graph2Vec(dimensions=16, epochs=2, cache_dir=tmp_path, on_progress=lambda *a: epochs.append(a))
    vectors = model.fit(train).transform(test)
    assert epochs[-1] == ("epoch", 2, 2)
    heard = len(epochs)
    again = clone(model).fit(train)
    assert np.array_equal(again.transform(test), vectors)
    assert np.array_equal(again.vectors_, model.vectors_)
    assert len(epochs) == heard  # nothing was trained
    clone(model).set_params(seed=1).fit(train)
    assert len(epochs) > heard
    assert not list(tmp_path.glob("*.part"))


def test_cache_that_is_damaged_or_of_something_else(split, tmp_path):
    train = split[0]
    model = Graph2Vec(dimensions=16, epochs=1, cache_dir=tmp_path).fit(train)
    (path,) = tmp_path.glob("*.npz")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged"):
        clone(model).fit(train)
    path.unlink()
    clone(model).set_params(seed=1).fit(train)
    (other,) = tmp_path.glob("*.npz")
    other.rename(path)
    with pytest.raises(ValueError, match="another configuration"):
        clone(model).fit(train)


def test_networkx_graphs_in_a_pipeline():
    graphs = [nx.cycle_graph(n) if n % 2 else nx.star_graph(n) for n in range(6, 46)]
    label = [n % 2 for n in range(6, 46)]
    pipeline = make_pipeline(Graph2Vec(dimensions=8, epochs=50, min_count=1, sample=0), LogisticRegression())
    assert pipeline.fit(graphs[:30], label[:30]).score(graphs[30:], label[30:]) == 1
    assert len(pipeline[0].get_feature_names_out()) == 8


def test_networkx_attributes_are_labels():
    graphs = [nx.path_graph(4) for _ in range(2)]
    nx.set_node_attributes(graphs[0], "a", "feature")
    nx.set_node_attributes(graphs[1], "b", "feature")
    assert Graph2Vec(min_count=1, iterations=0, sample=0).fit(graphs).vocabulary_.distinct == 2
    with pytest.raises(
        RuntimeError, match=r"none of 2 document vectors: sample=0.0001 leaves out nearly all of 8"
    ):
        Graph2Vec(min_count=1, iterations=0).fit(graphs)
    del graphs[1].nodes[2]["feature"]
    with pytest.raises(ValueError, match="graph 1, node 2: no attribute 'feature'"):
        Graph2Vec(min_count=1).fit(graphs)


@pytest.mark.parametrize(
    ("graphs", "setting", "message"),
    [
        ([], {}, "no graphs"),
        ([nx.path_graph(3), nx.Graph()], {}, "graph 1 has no nodes"),
        ([nx.DiGraph([(0, 1)])], {}, "graph 0: expected an undirected"),
        ([nx.path_graph(3)], {}, "min_count=5: none"),
        ([nx.path_graph(5000)], {"min_count": 1}, "15000 subtrees; gensim reads at most 10000"),
        ([nx.path_graph(9)], {"epochs": 0}, "epochs"),
        ([nx.path_graph(9)], {"iterations": -1}, "iterations"),
        ([nx.path_graph(9)], {"learning_rate": 0.0}, "learning_rate"),
        ([nx.path_graph(9)], {"sample": -1.0}, "sample"),
    ],
)
def test_input_that_cannot_be(graphs, setting, message):
    with pytest.raises(ValueError, match=message):
        Graph2Vec(**setting).fit(graphs)


def test_transform_before_fit():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        Graph2Vec().transform([nx.path_graph(3)])
