"""Bundles: a fitted regression with its training table and manifest, and the registry of them.

A loaded bundle predicts.
"""
