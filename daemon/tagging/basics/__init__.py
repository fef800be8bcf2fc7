"""What the service and its workers both know of tags; nothing here parses a file.

- `keys`: names and scales of our keys. `tag_jobs`: what the service asks a worker.
- `byte_views`, `packed_pieces`: files as ranges of another file and literal bytes.
- `tag_errors`: why a file is left alone.
"""
