"""Retraining: fit a candidate, compare it with the published bundle, publish it if it is better."""
