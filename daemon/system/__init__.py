"""The operating system: mounts, CPU quota, load, sd_notify, the journal, log setup."""
