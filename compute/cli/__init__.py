"""The `compute` command, one file per subcommand."""
