"""Which container a file is, by its first bytes and never by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daemon.tagging.basics.tag_errors import NO_SCHEME, TagsRefused
from daemon.tagging.formats import mp3
from daemon.tagging.formats.dsf import Dsf
from daemon.tagging.formats.format import TagPlaces
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.mutagen_formats import FORMATS
from daemon.tagging.formats.riff_aiff import Chunked

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.formats.format import Container

ID3_PLACES = {
    "wav": Chunked("wav", "<", b"id3 "),
    "aiff": Chunked("aiff", ">", b"ID3 "),
    "dsf": Dsf(),
    "mp3": mp3.LeadingId3("mp3"),
    "flac": mp3.LeadingId3("flac"),
}
"""Where an ID3 tag is in each kind of file that may have one."""

_AT_START: dict[bytes, Container] = {
    rb"(RIFF|RF64|BW64).{4}WAVE": ID3_PLACES["wav"],
    rb"FORM.{4}AIF[FC]": ID3_PLACES["aiff"],
    rb".{4}ftyp(?!qt  )": FORMATS["mp4"],
    rb"OggS": FORMATS["ogg"],
    rb"DSD ": ID3_PLACES["dsf"],
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c": FORMATS["asf"],
}
_BEHIND_ID3: dict[bytes, Container] = {
    rb"fLaC": TagPlaces("flac", (FORMATS["flac"], ID3_PLACES["flac"])),
    rb"MAC ": FORMATS["ape"],
    rb"wvpk": FORMATS["wavpack"],
    rb"MP\+[\x07\x17]|MPCK": FORMATS["musepack"],
}
_MP3 = TagPlaces("mp3", (ID3_PLACES["mp3"], FORMATS["mp3"]))
_OTHER_ID3_HOSTS = (b"OggS", b"RIFF", b"FORM", b"TTA1", b"DSD ", b"TTA2")


def container_of(view: View) -> Container:
    """Return what knows the tags of a file.

    Raises:
        TagsRefused: no tag scheme for it; the reason says so.
    """
    head = view.read(0, 16)
    behind = tag_length(view, 0)
    marker = view.read(behind, 4)
    for start, patterns in ((head, _AT_START), (marker, _BEHIND_ID3)):
        for pattern, container in patterns.items():
            if re.match(pattern, start, re.DOTALL):
                return container
    if marker not in _OTHER_ID3_HOSTS and mp3.is_mpeg_audio(view, behind):
        return _MP3
    raise TagsRefused(NO_SCHEME)
