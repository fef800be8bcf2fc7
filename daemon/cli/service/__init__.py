"""Commands about the service: run, status, check, config, install, backup, restore."""
