"""Sound files: containers, decoding, fingerprints, and the sandbox in which they are read."""
