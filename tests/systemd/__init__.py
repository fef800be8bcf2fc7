"""The units, by a real systemd."""
