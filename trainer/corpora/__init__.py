"""Rated sound and rated music, each brought to one shape and one scale."""
