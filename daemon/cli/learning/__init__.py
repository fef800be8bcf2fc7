"""Commands that teach and compare: annotate, review, corpus, train, evaluate, bundles."""
