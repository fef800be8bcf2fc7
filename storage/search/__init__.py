"""Searches: what a query demands, which index serves it, and the sounds that it finds."""
