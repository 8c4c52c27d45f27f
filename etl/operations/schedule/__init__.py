"""Giving the night to the machine: a line of cron or a timer of systemd, when it runs, and what else runs it."""
