"""The SQLite database itself: engine, sessions, copies, maintenance."""
