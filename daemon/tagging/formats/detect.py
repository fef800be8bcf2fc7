"""Which container a file is, told from its first bytes and never from its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.formats import mp3
from daemon.tagging.formats.dsf import Dsf
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.mutagen_formats import FORMATS
from daemon.tagging.formats.riff_aiff import Chunked
from daemon.tagging.formats.tag_errors import NO_SCHEME, TagsRefused

if TYPE_CHECKING:
    from daemon.tagging.formats.byte_views import View
    from daemon.tagging.formats.format import Container

_WAV, _AIFF = Chunked("wav", "<", b"id3 "), Chunked("aiff", ">", b"ID3 ")
_FORMS: dict[tuple[bytes, bytes], Container] = {
    (b"RIFF", b"WAVE"): _WAV,
    (b"FORM", b"AIFF"): _AIFF,
    (b"FORM", b"AIFC"): _AIFF,
}
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_AT_START: dict[bytes, Container] = {
    b"OggS": FORMATS["ogg"],
    b"DSD ": Dsf(),
    _ASF_HEADER: FORMATS["asf"],
}
_BEHIND_ID3: dict[bytes, Container] = {
    b"fLaC": FORMATS["flac"],
    b"MAC ": FORMATS["ape"],
    b"wvpk": FORMATS["wavpack"],
    b"MP+\x07": FORMATS["musepack"],
    b"MP+\x17": FORMATS["musepack"],
    b"MPCK": FORMATS["musepack"],
}
_TOO_LARGE_WAV = (b"RF64", b"BW64", b"riff")
_OTHER_ID3_HOSTS = (b"OggS", b"RIFF", b"FORM", b"TTA1", b"DSD ", b"TTA2")


def container_of(view: View) -> Container:
    """Return what knows this file's tags.

    Args:
        view: the file.

    Raises:
        TagsRefused: no tag scheme for it; the reason says so.
    """
    head = view.read(0, 16)
    if head[:4] in _TOO_LARGE_WAV:
        raise TagsRefused("a WAV beyond 4 GiB (RF64, BW64, W64) has no tag scheme; catalogue only")
    if head[4:8] == b"ftyp" and head[8:12] != b"qt  ":
        return FORMATS["mp4"]
    found = _FORMS.get((head[:4], head[8:12]))
    if found:
        return found
    for magic, container in _AT_START.items():
        if head.startswith(magic):
            return container
    behind = tag_length(view, 0)
    marker = view.read(behind, 4)
    if marker in _BEHIND_ID3:
        return _BEHIND_ID3[marker]
    if marker not in _OTHER_ID3_HOSTS and mp3.is_mpeg_audio(view, behind):
        return mp3.Mpeg()
    raise TagsRefused(NO_SCHEME)
