"""The state of the service: status, health and metrics endpoints, checks before a start."""
