"""Watched folders: from file system events and folder scans to the queue."""
