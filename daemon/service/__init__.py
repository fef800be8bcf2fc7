"""The running service: how it is built, its event loop, its scheduled jobs."""
