"""Ratings from outside: tables of annotations and rated corpora."""
