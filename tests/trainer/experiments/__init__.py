"""Tests of `trainer.experiments`."""
