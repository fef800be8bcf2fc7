"""Writes, removes and restores our tags; changes nothing else in a file.

- `api`: `read`, `write`, `strip`, `restore`. A worker parses the file and plans the edit
  (`tag_parser`), `checked_edit` and `way_back` see to it that nothing can be lost by it,
  `undo_record` records how to undo it, `sidecar` writes into a file next to the sound instead.
- `basics`: names and scales of our keys, files as ranges of others, reasons.
- `formats`, `parsing`: the containers, the planning of edits, and the proof that compares a copy
  with its original. Only workers import these.
- `disk`: replacing a file by a proven copy, writing in place, and clean-up after a power cut.

A copy replaces its original only if our keys read back as wanted, mutagen and ffmpeg read every
other tag and picture as before, and the hash of the audio packets is the same.

`restore` brings a file back byte for byte, as long as the bytes that we wrote are unchanged and the
undo is not larger than `undo_record.MOST_UNDO_BYTES`, as for MP4 and Ogg files of many hours whose
index or pages all had to change. Otherwise our keys get their old values.
"""
