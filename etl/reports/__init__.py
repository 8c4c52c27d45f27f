"""What is told of a project: summary, status, generations and queries. Reports never write."""
