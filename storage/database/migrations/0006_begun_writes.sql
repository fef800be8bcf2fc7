-- Writes into sound files themselves that have begun, and the rescue copies of those interrupted.

CREATE TABLE begun_writes (
    rescue       TEXT PRIMARY KEY,
    path         TEXT NOT NULL,
    device       INTEGER NOT NULL,
    inode        INTEGER NOT NULL,
    rescue_inode INTEGER NOT NULL,
    rescue_size  INTEGER NOT NULL,
    owner        INTEGER NOT NULL,
    audio_hash   TEXT NOT NULL,
    way_back     TEXT,
    trouble      TEXT
);
