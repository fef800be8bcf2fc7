"""Sound in, bundle out: decoding, hearing, corpora, regression, evaluation."""
