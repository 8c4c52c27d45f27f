"""The report and what it leads to as live pages: who may see and change what, the routes, and the server."""
