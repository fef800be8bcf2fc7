"""Queries as text: the options that say which sounds are wanted, and playlists kept up to date."""
