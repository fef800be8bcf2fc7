"""Watched folders: events, scans, waiting for complete files, queueing."""
