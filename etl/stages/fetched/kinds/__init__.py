"""What talks to the outside: one module for each kind, imported only when a source of it is fetched."""
