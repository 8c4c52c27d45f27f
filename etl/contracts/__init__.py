"""What the default project accepts (a `Source` and its contract) and what its marts promise."""
