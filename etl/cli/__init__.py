"""The `etl` command: one module a command. It shows what other rooms found, and decides nothing."""
