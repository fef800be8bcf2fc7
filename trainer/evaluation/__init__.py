"""Cross-validation of a regression, and scores with intervals."""
