"""Watching a project: what wakes it, whether anything is complete and new, and the runs that it begins."""
