"""The way of one sound: from the queue through analysis and prediction to its tags."""
