"""Which container a file is, by its first bytes and never by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daemon.tagging.basics.tag_errors import NO_SCHEME, TagsRefused
from daemon.tagging.formats import mp3
from daemon.tagging.formats.dsf import Dsf
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.mutagen_formats import FORMATS
from daemon.tagging.formats.riff_aiff import Chunked

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.formats.format import Container

_AT_START: dict[bytes, Container] = {
    rb"RIFF.{4}WAVE": Chunked("wav", "<", b"id3 "),
    rb"FORM.{4}AIF[FC]": Chunked("aiff", ">", b"ID3 "),
    rb".{4}ftyp(?!qt  )": FORMATS["mp4"],
    rb"OggS": FORMATS["ogg"],
    rb"DSD ": Dsf(),
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c": FORMATS["asf"],
}
_BEHIND_ID3: dict[bytes, Container] = {
    rb"fLaC": FORMATS["flac"],
    rb"MAC ": FORMATS["ape"],
    rb"wvpk": FORMATS["wavpack"],
    rb"MP\+[\x07\x17]|MPCK": FORMATS["musepack"],
}
_TOO_LARGE_WAV = (b"RF64", b"BW64", b"riff")
_OTHER_ID3_HOSTS = (b"OggS", b"RIFF", b"FORM", b"TTA1", b"DSD ", b"TTA2")


def container_of(view: View) -> Container:
    """Return what knows the tags of a file.

    Raises:
        TagsRefused: no tag scheme for it; the reason says so.
    """
    head = view.read(0, 16)
    if head[:4] in _TOO_LARGE_WAV:
        raise TagsRefused("a WAV beyond 4 GiB (RF64, BW64, W64) has no tag scheme; catalogue only")
    behind = tag_length(view, 0)
    marker = view.read(behind, 4)
    for start, patterns in ((head, _AT_START), (marker, _BEHIND_ID3)):
        for pattern, container in patterns.items():
            if re.match(pattern, start, re.DOTALL):
                return container
    if marker not in _OTHER_ID3_HOSTS and mp3.is_mpeg_audio(view, behind):
        return mp3.Mpeg()
    raise TagsRefused(NO_SCHEME)
