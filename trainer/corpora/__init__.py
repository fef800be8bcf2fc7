"""Rated corpora of music and sounds, converted to one form and one rating scale."""
