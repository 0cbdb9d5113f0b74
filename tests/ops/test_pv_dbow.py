"""PV-DBOW: the numbers of plain torch, the bits of one thread, gensim's semantics, a vector for itself."""

import numpy as np
import pytest
import torch

from skelbench import ops
from skelbench.ops import _library, use_isa
from tests.ops.places import DEVICES, PLACES, needs_cuda, needs_extension


def corpus(documents=40, vocabulary=60, longest=150, seed=0):
    """Documents of Zipf's words, two of them empty, and the counts of the words."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, documents)
    lengths[[3, documents - 1]] = 0
    words = np.minimum(rng.zipf(1.3, lengths.sum()), vocabulary) - 1
    counts = np.maximum(np.bincount(words, minlength=vocabulary), 1)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return torch.from_numpy(words.astype(np.int32)), torch.from_numpy(indptr), torch.from_numpy(counts)


def plain(patch):
    patch.setattr(_library, "built", False)
    patch.setattr(_library, "warn_fallback", lambda: None)


def on(device, tensors):
    return [tensor.to(device) for tensor in tensors]


@needs_extension
@pytest.mark.parametrize(("device", "level"), PLACES)
@pytest.mark.parametrize(
    ("dimensions", "negative", "block"), [(128, 5, 16), (19, 3, 7), (1, 1, 1), (33, 32, 64)]
)
def test_trains_and_infers_as_plain_torch(device, level, dimensions, negative, block, monkeypatch):
    words, indptr, counts = corpus(documents=12)
    options = dict(epochs=2, rate=0.2, sample=0.01, negative=negative, seed=5)
    with use_isa(level):
        there = on(device, (words, indptr, counts))
        vectors, table = ops.pv_dbow(*there, dimensions=dimensions, block=block, **options)
        inferred = ops.pv_dbow_infer(*there, table, **options)
    vectors, table, inferred = on("cpu", (vectors, table, inferred))
    plain(monkeypatch)
    expected = ops.pv_dbow(words, indptr, counts, dimensions=dimensions, block=block, **options)
    torch.testing.assert_close((vectors, table), expected, rtol=2e-4, atol=2e-5)
    assert table.abs().max() > 0.05
    again = ops.pv_dbow_infer(words, indptr, counts, table, **options)
    torch.testing.assert_close(inferred, again, rtol=2e-4, atol=2e-5)


@needs_extension
def test_the_bits_do_not_depend_on_the_threads():
    words, indptr, counts = corpus(100)
    results = []
    before = torch.get_num_threads()
    try:
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            vectors, table = ops.pv_dbow(
                words, indptr, counts, dimensions=24, epochs=2, sample=0.01, block=100
            )
            results.append((vectors, table, ops.pv_dbow_infer(words, indptr, counts, table)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@needs_extension
@pytest.mark.parametrize("mark", [pytest.param("cuda", marks=needs_cuda)])
def test_cuda_repeats_its_bits(mark):
    arguments = on(mark, corpus(100))
    first, again = (ops.pv_dbow(*arguments, dimensions=24, epochs=2, sample=0.01) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    inferred = [ops.pv_dbow_infer(*arguments, first[1]) for _ in range(2)]
    assert torch.equal(*inferred)


@pytest.mark.parametrize("device", DEVICES)
def test_a_vector_does_not_depend_on_its_company(device):
    words, indptr, counts = on(device, corpus())
    _, table = ops.pv_dbow(words, indptr, counts, dimensions=16, epochs=2, sample=0.01)
    together = ops.pv_dbow_infer(words, indptr, counts, table, epochs=2, sample=0.01)
    for document in (0, 7, 20, 3):
        own = words[indptr[document] : indptr[document + 1]]
        bounds = torch.tensor([0, len(own)], device=device)
        alone = ops.pv_dbow_infer(own, bounds, counts, table, epochs=2, sample=0.01)
        assert torch.equal(alone[0], together[document])
    assert (together[3] == 0).all()
    bounds = torch.tensor([0, len(own), 2 * len(own)], device=device)
    twice = ops.pv_dbow_infer(own.repeat(2), bounds, counts, table)
    assert torch.equal(twice[0], twice[1])


def test_documents_of_one_length_are_the_same_documents():
    words = torch.randint(20, (9, 30), dtype=torch.int32)
    counts = torch.bincount(words.flatten(), minlength=20).clamp_min(1)
    indptr = torch.arange(10) * 30
    options = dict(dimensions=8, epochs=2, sample=0.0)
    listed = ops.pv_dbow(words.flatten(), indptr, counts, **options)
    assert all(
        torch.equal(a, b) for a, b in zip(listed, ops.pv_dbow(words, None, counts, **options), strict=True)
    )


@pytest.mark.parametrize("device", DEVICES)
def test_no_word_is_skipped(device):
    words, indptr, counts = on(device, corpus(documents=6))
    table = torch.randn(len(counts), 8, device=device)
    gaps = torch.cat([words[: indptr[1]], torch.full((9,), -1, dtype=torch.int32, device=device)])
    options = dict(epochs=1, sample=0.0)
    bounds = torch.tensor([0, len(gaps)], device=device)
    with_gaps = ops.pv_dbow_infer(gaps, bounds, counts, table, **options)
    assert torch.equal(with_gaps, ops.pv_dbow_infer(words, indptr, counts, table, **options)[:1])


def test_the_seed_and_the_report_of_epochs():
    words, indptr, counts = corpus()
    heard = []
    first = ops.pv_dbow(
        words, indptr, counts, dimensions=8, epochs=3, on_epoch=lambda *a: heard.append(a), sample=0.1
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]
    again = ops.pv_dbow(words, indptr, counts, dimensions=8, epochs=3, sample=0.1)
    other = ops.pv_dbow(words, indptr, counts, dimensions=8, epochs=3, sample=0.1, seed=1)
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def log_likelihood(vectors, table, documents, counts):
    """Mean over words of log sigmoid(v . w), plus 5 times its expectation over negative samples."""
    noise = counts.double() ** 0.75
    noise = (noise / noise.sum()).float()
    total = 0.0
    for vector, words in zip(vectors, documents, strict=True):
        product = table @ vector
        positive = torch.nn.functional.logsigmoid(product[words.long()]).mean()
        total += float(positive + 5 * (noise * torch.nn.functional.logsigmoid(-product)).sum())
    return total / len(documents)


def topics(documents, seed):
    """Documents of 100 words, each of one of four topics over 200 words."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 4, documents)
    own = rng.integers(0, 50, (documents, 100)) + 50 * topic[:, None]
    return np.where(rng.random((documents, 100)) < 0.5, own, rng.integers(0, 200, (documents, 100)))


def test_learns_what_gensim_learns():
    """Held-out words of documents are as likely under both, and likelier than under nothing."""
    gensim = pytest.importorskip("gensim.models.doc2vec", reason="gensim is not installed")
    words = topics(400, seed=1)
    counts = torch.from_numpy(np.bincount(words.ravel(), minlength=200))
    seen, held = words[:, :80], torch.from_numpy(words[:, 80:].astype(np.int32))
    tagged = [gensim.TaggedDocument([str(w) for w in row], [i]) for i, row in enumerate(seen)]
    model = gensim.Doc2Vec(
        tagged, dm=0, vector_size=16, min_count=1, sample=0, epochs=20, alpha=0.05, min_alpha=1e-4, workers=1
    )
    order = [model.wv.key_to_index[str(w)] for w in range(200)]
    theirs = torch.from_numpy(model.dv.vectors), torch.from_numpy(model.syn1neg[order])
    ours = ops.pv_dbow(
        torch.from_numpy(seen.astype(np.int32)), None, counts, dimensions=16, sample=0.0, epochs=20, rate=0.05
    )
    nothing = 6 * np.log(0.5)
    likelihoods = [log_likelihood(*fitted, held, counts) for fitted in (ours, theirs)]
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=0.01)
    assert likelihoods[0] > 0.8 * nothing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": torch.empty(0, dtype=torch.int64)}, "the vocabulary is empty"),
        ({"counts": torch.zeros(60, dtype=torch.int64)}, "counts must be at least 1, but word 0 has 0"),
        ({"on_epoch": 3}, "on_epoch must be callable or None, not int"),
        ({"block": 0}, r"block must be in \[1,"),
        ({"negative": 33}, r"negative must be in \[1, 32\]"),
        ({"min_rate": 1.0}, "min_rate must be at most rate"),
        ({"words": torch.full((10,), 60, dtype=torch.int32)}, "words|indptr"),
        ({"indptr": torch.tensor([0, 5])}, "indptr"),
    ],
)
@pytest.mark.parametrize("device", DEVICES)
def test_what_cannot_be_is_named(change, message, device):
    words, indptr, counts = corpus()
    arguments = {"words": words, "indptr": indptr, "counts": counts} | change
    placed = {name: x.to(device) if isinstance(x, torch.Tensor) else x for name, x in arguments.items()}
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        ops.pv_dbow(**placed)


@pytest.mark.parametrize("device", DEVICES)
def test_no_documents_and_no_words(device):
    none, zero, count = on(device, (torch.empty(0, dtype=torch.int32), torch.tensor([0]), torch.tensor([4])))
    vectors, table = ops.pv_dbow(none, zero, count, dimensions=3)
    assert vectors.shape == (0, 3)
    assert (table == 0).all()
    assert (ops.pv_dbow_infer(none, zero.repeat(2), count, table + 1) == 0).all()
    # Down-sampling may leave nothing.
    vectors, table = ops.pv_dbow(
        none.new_zeros(4), torch.tensor([0, 4], device=device), count, dimensions=3, sample=1e-12
    )
    assert (table == 0).all()


@needs_extension
def test_the_ops_can_be_traced():
    from torch._subclasses.fake_tensor import FakeTensorMode

    words, indptr, counts = corpus()
    tensors = (torch.zeros(40, 8), torch.zeros(60, 8), words, indptr, counts.double(), counts.double())
    with FakeTensorMode() as mode:
        a, b, w, i, *chances = (mode.from_tensor(x) for x in tensors)
        torch.ops.skelbench.pv_dbow_train_(a, b, w, i, *chances, 0.1, 0.1, 5, 0, 0, 8)
        torch.ops.skelbench.pv_dbow_infer_(a, b, w, i, *chances, 0.1, 5, 0, 0)
