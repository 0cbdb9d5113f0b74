"""Encoders, decoders and classifiers: what is trained."""
