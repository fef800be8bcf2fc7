"""The page: a web interface to a catalogue, in a process of its own."""
