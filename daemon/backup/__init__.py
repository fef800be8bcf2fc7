"""Backup of the catalogue, bundles and corpora into one tar file, and restore from it."""
