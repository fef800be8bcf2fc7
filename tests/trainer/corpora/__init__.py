"""Tests of the readers of rated sound."""
