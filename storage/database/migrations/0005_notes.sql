-- What the service says of itself to whoever looks in from outside; and how fast it hears.

CREATE TABLE notes (
    about TEXT PRIMARY KEY,
    said  TEXT NOT NULL,
    since TEXT NOT NULL
);

CREATE INDEX hearings_by_time ON hearings (heard_at);
