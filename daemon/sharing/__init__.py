"""How services share one catalogue: alone with a file, or several with a database on a server."""
