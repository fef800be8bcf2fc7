"""The tag formats: where our keys are in each kind of file, and how they are edited.

Only worker processes import these modules, as they parse the bytes of others.

- `mutagen_formats`: FLAC, Ogg (Vorbis, Opus, FLAC), MP4, ASF, and APEv2 (APE, WavPack, Musepack).
- `mp3`, `riff_aiff` (WAV and AIFF) and `dsf`: files with an ID3 tag, which `id3_*` edit.
- `detect`: the format of a file by its first bytes. `edited_file`: where mutagen writes.
"""
