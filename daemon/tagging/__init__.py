"""Our three tags in every container we promise, written without harm."""
