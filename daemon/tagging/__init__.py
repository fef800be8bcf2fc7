"""Our tags in every container we promise, written so that nothing else in the file can change.

An edit is a short list of splices: which bytes go, which come in their place. So the bytes of every
other tag stay by construction, and the list turned around is the undo journal.

- `keys`: names and scales of the presets; `replacing`: `read`, `write`, `strip`, `restore`.
- `containers` tells a file's container from its first bytes; `mpeg`, `chunked`, `dsf` (ID3v2, by
  `id3` and `id3_text`), `flac`, `ogg` (Vorbis comments, by `vorbis` and `ogg_pages`), `mp4` (by
  `mp4_boxes`), `asf` and `apev2` each read and plan one family (`contract`).
- `planning` turns wanted values into splices and the journal record (`journal`, `splices`).
- `copying` puts a verified copy in a file's place; `overwriting` writes into the same inode;
  `sidecar` writes beside it; `cleaning` ends what a power cut interrupted (`names`).
- `sources` and `files` touch the disk, `opinion` asks mutagen, `failures` finds the words.

A copy takes a file's place only after three proofs: our keys read back as wanted, mutagen
reads every other tag as before, and the hash of the audio packets is the same.

`restore` brings back the file byte for byte in every container, as long as the places we wrote to
are as we left them and the undo is not larger than `journal.MOST_UNDO_BYTES` (it is for MP4 and Ogg
files of many hours whose index or pages all had to move). Otherwise our keys get their old values;
that mostly gives the same bytes too, but an ID3v2 tag with padding keeps the room it grew by.
"""
