"""The five places of the data: raw, lake, warehouse, audited, published. Each imports the one before it."""
