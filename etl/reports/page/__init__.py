"""The report: one HTML file that needs nothing else, of what is known of a project."""
