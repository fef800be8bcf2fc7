"""Installation of the systemd units."""
