"""The tag formats: where our keys are in each kind of file, and how they are edited.

Only worker processes import these modules, as they parse the bytes of others.

- `mutagen_formats`: FLAC, Ogg (Vorbis, Opus, Speex, FLAC), MP4 (`mp4_boxes`), ASF, and APEv2
  (`ape_tag`: APE, WavPack, Musepack, and MP3 with nothing else).
- `mp3`, `riff_aiff` (WAV and AIFF) and `dsf`: files with an ID3 tag, which `id3_*` edit.
- `older_tags`: tags that a first tag of ours would hide, so their texts are repeated in it.
- `detect`: the format of a file by its first bytes. `edited_file`: where mutagen writes.
"""
