"""Worker processes that read hostile files, and the service's side of them."""
