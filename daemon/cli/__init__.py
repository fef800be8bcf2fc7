"""The `valenced` command and its subcommands."""
