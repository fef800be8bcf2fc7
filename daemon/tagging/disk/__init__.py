"""How new tags reach the disk: atomic copy, in-place write, recovery after a crash."""
