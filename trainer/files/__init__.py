"""Files of the registry: written atomically, read only if nobody else could have written them."""
