"""The experiments of the paper that this project started from, on whichever corpora are present."""
