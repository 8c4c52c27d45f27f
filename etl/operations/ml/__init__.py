"""What people do with models that learn, beside the nights."""
