"""Everything that runs: command line, watching, settling, processing, tagging."""
