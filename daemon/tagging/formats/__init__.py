"""The container formats: where each keeps its tags, and how they are edited."""
