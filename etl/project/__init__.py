"""Where things are: the root of a project, its folders, its settings, and files as a whole. It knows no table."""

from etl.project.project import (
    CONFIG,
    ENVIRONMENT,
    ENVIRONMENTS,
    Project,
    enclosing_root,
    environments,
    find_root,
    has_option,
    load_project,
)

__all__ = [
    "CONFIG",
    "ENVIRONMENT",
    "ENVIRONMENTS",
    "Project",
    "enclosing_root",
    "environments",
    "find_root",
    "has_option",
    "load_project",
]
