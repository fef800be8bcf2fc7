"""What the operator decides: settings, their defaults, and the root of every error."""
