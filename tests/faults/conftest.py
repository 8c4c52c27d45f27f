"""Small projects, run as cron would run them."""

from tests.projects import (
    compiled,
    flights_project,
    make_project,
    project,
    scheduler,
    tools,
    undisturbed,
)

__all__ = ["compiled", "flights_project", "make_project", "project", "scheduler", "tools", "undisturbed"]
