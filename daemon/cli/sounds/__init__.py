"""Commands about sound files: scan, query, show, tags, retry."""
