"""A real PostgreSQL, of which a watch hears."""

from tests.support.servers import postgresql

__all__ = ["postgresql"]
