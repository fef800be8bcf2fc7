"""Cross-validation and scores of a regression."""
