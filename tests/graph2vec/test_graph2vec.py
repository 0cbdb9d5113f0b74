"""Documents and their embedding: every word where it should be, classes apart, repeatable, cached."""

from importlib.util import find_spec

import networkx as nx
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skelbench.graph2vec import Graph2Vec, skeleton_graphs
from skelbench.graph2vec.counting import build_vocabulary
from skelbench.graph2vec.documents import NO_TOKEN, ListedDocuments, Vocabulary, write_corpus
from tests.conftest import make_clips

needs_gensim = pytest.mark.skipif(
    find_spec("gensim") is None, reason="gensim is not installed: pip install 'skelbench[graph]'"
)
both = pytest.mark.parametrize("embedding", ["op", pytest.param("gensim", marks=needs_gensim)])


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


def test_counts_in_bounded_memory_are_the_same():
    documents = random_documents(20_000, seed=1)
    whole = build_vocabulary(documents, min_count=3)
    spilled = build_vocabulary(documents, min_count=3, held=40)
    for name in ("tokens", "counts", "distinct", "rare", "occurrences"):
        assert np.array_equal(getattr(whole, name), getattr(spilled, name))


def test_a_bounded_vocabulary_keeps_the_most_frequent_and_counts_the_rest():
    documents = random_documents(3000)
    tokens, counts = np.unique(np.concatenate(documents.tokens), return_counts=True)
    order = np.lexsort((tokens, -counts))[:40]
    for held in (20, 1 << 20):
        vocabulary = build_vocabulary(documents, 2, 40, held=held)
        assert vocabulary.tokens.tolist() == sorted(tokens[order].tolist())
        assert vocabulary.counts.sum() == counts[order].sum()
        assert (vocabulary.distinct, vocabulary.rare) == (len(tokens), (counts < 2).sum())
        assert vocabulary.beyond == len(tokens) - (counts < 2).sum() - 40
        assert vocabulary.occurrences == counts.sum()
    said = (
        f"40 of {len(tokens)} distinct subtrees ({vocabulary.rare:,} too rare, {vocabulary.beyond:,} beyond"
    )
    assert str(vocabulary).startswith(said)


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


@needs_gensim
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
        model = Graph2Vec(
            embedding="gensim", node_attribute=None, workers=workers, epochs=3, min_count=1, sample=0
        ).fit(graphs)
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


@both
def test_embedding_tells_classes_of_motion_apart_on_clips_it_has_not_seen(split, embedding):
    train, train_label, test, test_label = split
    model = Graph2Vec(dimensions=32, epochs=30, sample=0, embedding=embedding).fit(train)
    vectors = [model.transform(g).reshape(len(y), -1) for g, y in ((train, train_label), (test, test_label))]
    scores = (
        LogisticRegression(C=0.1, max_iter=500).fit(vectors[0], train_label).score(vectors[1], test_label)
    )
    assert scores > 0.6  # chance is 1/3


@both
def test_degree_only_falls_to_chance(embedding):
    clips = make_clips(96)
    graphs = skeleton_graphs(clips, windows=6, window=3, label="degree")
    train, test = np.flatnonzero(clips.camera == 1), np.flatnonzero(clips.camera == 2)
    model = Graph2Vec(dimensions=16, epochs=10, sample=0, embedding=embedding).fit(graphs.select(train))
    vectors = [model.transform(graphs.select(part)).reshape(len(part), -1) for part in (train, test)]
    assert (vectors[0] == vectors[0][0]).all()
    assert (vectors[1] == vectors[0][0]).all()


@both
def test_a_vector_does_not_tell_the_place_of_its_graph(split, embedding):
    """Train and test list their classes in the same order: what depends on the place would be a leak."""
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2, embedding=embedding).fit(train)
    vectors = model.transform(test).reshape(48, 6, 16)
    order = np.random.default_rng(0).permutation(48)
    assert np.array_equal(model.transform(test.select(order)).reshape(48, 6, 16), vectors[order])


def test_a_vector_does_not_depend_on_its_company(split):
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2).fit(train)
    vectors = model.transform(test).reshape(48, 6, 16)
    assert np.array_equal(model.transform(test.select(np.array([7]))), vectors[7])
    assert np.array_equal(model.transform(test.select(np.arange(20))), vectors[:20].reshape(-1, 16))


@both
def test_it_repeats_itself_bit_for_bit(split, embedding):
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2, seed=3, embedding=embedding)
    first = model.fit(train).vectors_, model.transform(test)
    again = clone(model).fit(train)
    assert np.array_equal(first[0], again.vectors_)
    assert np.array_equal(first[1], again.transform(test))
    other = clone(model).set_params(seed=4).fit(train)
    assert not np.array_equal(first[0], other.vectors_)


@both
def test_inference_leaves_the_table_alone_and_needs_no_test_graph_in_fit(split, embedding):
    train, _, test, _ = split
    model = Graph2Vec(dimensions=16, epochs=2, embedding=embedding).fit(train)
    table = model.table_.copy()
    vectors = model.transform(test)
    assert np.array_equal(table, model.table_)
    assert vectors.shape == (len(test), 16)
    assert np.isfinite(vectors).all()
    assert model.n_table_parameters_ == (len(model.vocabulary_) + len(train)) * 16


@both
def test_cache_gives_the_same_and_notices_what_differs(split, tmp_path, embedding):
    train, _, test, _ = split
    epochs = []
    model = Graph2Vec(
        dimensions=16,
        epochs=2,
        cache_dir=tmp_path,
        on_progress=lambda *a: epochs.append(a),
        embedding=embedding,
    )
    vectors = model.fit(train).transform(test)
    assert ("epoch", 2, 2) in epochs
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
    pipeline = make_pipeline(
        Graph2Vec(dimensions=8, epochs=50, min_count=1, sample=0, node_attribute=None), LogisticRegression()
    )
    assert pipeline.fit(graphs[:30], label[:30]).score(graphs[30:], label[30:]) == 1
    assert len(pipeline[0].get_feature_names_out()) == 8


@both
def test_networkx_attributes_are_labels(embedding):
    graphs = [nx.path_graph(4) for _ in range(2)]
    nx.set_node_attributes(graphs[0], "a", "feature")
    nx.set_node_attributes(graphs[1], "b", "feature")
    options = dict(min_count=1, iterations=0, embedding=embedding)
    assert Graph2Vec(**options, sample=0).fit(graphs).vocabulary_.distinct == 2
    with pytest.raises(
        RuntimeError, match=r"none of 2 document vectors: sample=1e-09 leaves out nearly all of 8"
    ):
        Graph2Vec(**options, sample=1e-9).fit(graphs)
    del graphs[1].nodes[2]["feature"]
    with pytest.raises(ValueError, match="graph 1, node 2: no attribute 'feature'"):
        Graph2Vec(min_count=1).fit(graphs)


def labelled(label, nodes=6):
    graph = nx.path_graph(nodes)
    nx.set_node_attributes(graph, label, "feature")
    return graph


def test_a_misspelt_attribute_is_an_error_in_fit_and_in_transform():
    model = Graph2Vec(dimensions=4, min_count=1, sample=0).fit([labelled("a")])
    with pytest.raises(ValueError, match="graph 0, node 0: no attribute 'feature'; correct node_attribute"):
        model.transform([nx.path_graph(3)])
    with pytest.raises(ValueError, match="no attribute 'features'"):
        Graph2Vec(node_attribute="features").fit([labelled("a")])


@pytest.mark.parametrize("one", [0.0, -0.0, 1, 1.0, True])
def test_labels_are_told_apart_by_their_text(one):
    every = {str(other): other for other in (0.0, -0.0, 1, 1.0, True)}
    model = Graph2Vec(dimensions=4, min_count=1, sample=0, iterations=0).fit(
        [labelled(value) for value in every.values()]
    )
    assert model.vocabulary_.distinct == len(every) == 5
    assert (model.vocabulary_.index(build(one)) > 0).all()


def build(label):
    from skelbench.graph2vec.from_networkx import networkx_documents

    return next(networkx_documents([labelled(label)], 0, "feature").chunks())


@both
def test_graphs_without_a_known_word_have_zeros_and_are_counted(embedding):
    model = Graph2Vec(dimensions=4, min_count=1, sample=0, embedding=embedding).fit(
        [labelled("a"), labelled("b")]
    )
    with pytest.warns(UserWarning, match="1 of 2 graphs have no subtree"):
        vectors = model.transform([labelled("c"), labelled("a")])
    assert (vectors[0] == 0).all()
    assert (vectors[1] != 0).any()
    assert model.n_unknown_ == 1
    with pytest.warns(UserWarning, match="1 of 1 graphs have no subtree"):
        assert (model.transform([labelled("c")]) == 0).all()
    model.transform([labelled("b")])
    assert model.n_unknown_ == 0


@both
def test_graphs_come_as_any_iterable(embedding):
    graphs = [labelled("a"), labelled("b", nodes=9)]
    array = np.empty(2, dtype=object)
    array[:] = graphs
    model = Graph2Vec(dimensions=4, min_count=1, sample=0, embedding=embedding).fit(graphs)
    vectors = model.transform(graphs)
    assert np.array_equal(model.transform(graph for graph in graphs), vectors)
    assert np.array_equal(model.transform(array), vectors)
    assert np.array_equal(clone(model).fit(tuple(graphs)).table_, model.table_)


@both
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.astype(np.float64), "table must be a float32 array"),
        (lambda table: table[0], "table must be a float32 array"),
        (lambda table: table.tolist(), "table must be a float32 array .*not list"),
        (lambda table: table[:-1], "rows, but the vocabulary"),
        (lambda table: table[:, :3], "dimensions is 4, but the fitted table has 3"),
        (lambda table: table * np.float32("nan"), "not finite"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(spoil, message, embedding):
    model = Graph2Vec(dimensions=4, min_count=1, sample=0, embedding=embedding).fit([labelled("a")])
    with pytest.raises(ValueError, match=message):
        Graph2Vec.from_table(model.vocabulary_, spoil(model.table_), dimensions=4)
    spoilt = Graph2Vec.from_table(model.vocabulary_, model.table_, embedding=embedding)
    spoilt.table_ = spoil(model.table_)
    with pytest.raises(ValueError, match=message):
        spoilt.transform([labelled("a")])


@both
def test_a_table_of_another_layout_is_the_same_table(embedding):
    options = dict(min_count=1, sample=0, embedding=embedding)
    model = Graph2Vec(dimensions=4, **options).fit([labelled("a")])
    turned = Graph2Vec.from_table(model.vocabulary_, np.asfortranarray(model.table_), **options)
    assert np.array_equal(turned.transform([labelled("a")]), model.transform([labelled("a")]))


@both
def test_dimensions_changed_after_a_fit(embedding):
    model = Graph2Vec(dimensions=4, min_count=1, sample=0, embedding=embedding).fit([labelled("a")])
    with pytest.raises(ValueError, match="dimensions is 64, but the fitted table has 4"):
        model.set_params(dimensions=64).transform([labelled("a")])


@pytest.mark.parametrize(
    ("tokens", "counts", "message"),
    [
        ([1, 2], [1], "2 tokens, but 1 counts"),
        ([], [], "no word"),
        ([2, 1], [1, 1], "ascend"),
        ([1, 2], [1, 0], "at least 1"),
    ],
)
def test_a_vocabulary_that_cannot_be(tokens, counts, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(np.array(tokens, dtype=np.int64), np.array(counts, dtype=np.int64), 2)
    with pytest.raises(ValueError, match="int64"):
        Vocabulary(np.array(tokens, dtype=np.float32), np.array(counts, dtype=np.int64), 2)


@pytest.mark.parametrize(
    ("graphs", "setting", "message"),
    [
        ([], {}, "no graphs"),
        ([nx.path_graph(3), nx.Graph()], {}, "graph 1 has no nodes"),
        (nx.path_graph(3), {}, "got a single graph; pass a list of it"),
        (3, {}, "expected an iterable of networkx graphs, got int"),
        ([nx.path_graph(3), "text"], {}, "graph 1: expected a networkx graph, got str"),
        ([nx.path_graph(3)], {}, "min_count=5: none"),
        ([nx.path_graph(9)], {"vocabulary": 0}, "vocabulary"),
        ([nx.path_graph(9)], {"vocabulary": -3}, "vocabulary"),
        ([nx.path_graph(9)], {"embedding": "word2vec"}, "embedding must be one of op, gensim"),
        ([nx.path_graph(9)], {"negative": 33, "min_count": 1}, "negative"),
        ([nx.path_graph(9)], {"epochs": 0}, "epochs"),
        ([nx.path_graph(9)], {"iterations": -1}, "iterations"),
        ([nx.path_graph(9)], {"learning_rate": 0.0}, "learning_rate"),
        ([nx.path_graph(9)], {"sample": -1.0}, "sample"),
    ],
)  # fmt: skip
def test_input_that_cannot_be(graphs, setting, message):
    with pytest.raises(ValueError, match=message):
        Graph2Vec(**{"node_attribute": None} | setting).fit(graphs)


@needs_gensim
def test_gensim_reads_so_many_words_of_a_graph():
    graphs, options = [nx.path_graph(5000)], dict(min_count=1, node_attribute=None, dimensions=4, epochs=1)
    with pytest.raises(ValueError, match="15000 subtrees; gensim reads at most 10000"):
        Graph2Vec(embedding="gensim", **options).fit(graphs)
    assert Graph2Vec(sample=0, **options).fit(graphs).n_unmoved_ == 0


def test_transform_before_fit():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        Graph2Vec().transform([nx.path_graph(3)])
