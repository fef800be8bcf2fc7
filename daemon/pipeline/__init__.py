"""How files are processed: from the queue through analysis and prediction to their tags."""
