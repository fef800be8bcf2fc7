-- Which service watches a folder, writes its tags and says what is missing in it. What the lease ends
-- with is the row of the service. No folder here lies in one of another service.

CREATE TABLE folder_leases (
    folder  BYTEA PRIMARY KEY,
    service TEXT COLLATE "C" NOT NULL REFERENCES services (name) ON DELETE CASCADE
);

-- By which service the state of a folder was recorded, by the setting `valenced.service`.

ALTER TABLE folders ADD COLUMN service TEXT COLLATE "C"
    DEFAULT current_setting('valenced.service', true);
