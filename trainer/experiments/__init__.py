"""The experiments of the paper that this project started from, on the corpora of the user."""
