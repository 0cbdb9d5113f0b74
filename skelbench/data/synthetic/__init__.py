"""The synthetic corpus: in memory (`synthetic_corpus`), or as a raw folder (`python -m skelbench.data.synthetic`)."""

from skelbench.data.synthetic.corpus import synthetic_corpus

__all__ = ["synthetic_corpus"]
