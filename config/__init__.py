"""The settings, their defaults and default paths, and the base class of every error."""
