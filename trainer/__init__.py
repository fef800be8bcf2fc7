"""Decoding, features, corpora, regression and evaluation; also loads bundles and predicts."""
