"""HTTP for the page: bounded connections, the guard of requests, files in ranges."""
