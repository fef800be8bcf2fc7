"""Sound in, bundle out: decoding, feature extraction, corpora, regression, evaluation."""
