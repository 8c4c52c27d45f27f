"""The way of the data, a module for each place it passes: raw, lake, warehouse, audited, published."""
