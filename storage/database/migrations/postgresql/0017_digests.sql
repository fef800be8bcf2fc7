-- What identifies the files of a bundle without reading them. A catalogue that was made between 0.3.0 and 0.4.0 has it.

ALTER TABLE bundle_files ADD COLUMN IF NOT EXISTS
    digest TEXT GENERATED ALWAYS AS (encode(sha256(content), 'hex')) STORED;
