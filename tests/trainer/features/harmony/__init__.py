"""Tests of the descriptors of harmony and rhythm."""
