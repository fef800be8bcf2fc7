"""How the starter bundle is built from the corpora, and how good it is."""
