"""ID3v2 in front of MPEG audio (MP3), where an ID3v1 or APEv2 block at the end stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Splice, View
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.format import Id3Container
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import NEW_TAG_PADDING, Id3Tag, new_tag, tag_at
from daemon.tagging.formats.older_tags import id3v1_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tagging.basics.keys import Changes

_MOST_BEFORE, _MOST_TAGS = 64 * 1024, 16
_FRAMES_IN_A_ROW, _LONGEST_FRAME = 8, 2881
_OTHER_FILE = re.compile(
    rb"RIFF|RIFX|FORM|OggS|fLaC|TTA|wvpk|MAC |MP\+|MPCK|DSD |FRM8|FLV|\.RMF|caff|\.snd|Creative"
    rb"|#!|\x1aE\xdf\xa3|....(ftyp|moov|mdat|free|skip|wide|pnot)|\0\0\x01[\xb3\xba\xe0]"
    rb"|\x30\x26\xb2\x75|\x06\x0e\x2b\x34|\x0bw|\x7f\xfe\x80\x01|ADIF|nut/|PK|Rar!|%PDF|\x1f\x8b"
    rb"|7z\xbc|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|\x7fELF|MZ|\xff\xd8|\x89PNG|GIF8|SQLite",
    re.DOTALL,
)
_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class LeadingId3(Id3Container):
    """The ID3v2 tag in front of a sound.

    Args:
        kind: of the file.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def tag(self, view: View) -> Id3Tag | None:
        """Return the leading ID3v2 tag."""
        length = tag_length(view, 0)
        if length > view.size:
            raise TagsRefused("its ID3 tag claims to be longer than the file; repair that first")
        return tag_at(view, 0, length) if length else None

    def older(self, view: View) -> Mapping[str, str]:
        """Return what the ID3v1 block says."""
        return id3v1_texts(view)

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        tag = self.tag(view)
        length = len(tag.raw) if tag else 0
        repeated = self.repeated(view)
        if tag is None or repeated:
            new = new_tag(changes, repeated=repeated, padding=NEW_TAG_PADDING)
            return [Splice(0, length, new)] if any(changes.values()) else []
        is_dropped = tag.is_empty_after(changes) and not keep_block
        return [Splice(0, length, b"" if is_dropped else tag.changed(changes))]


def is_mpeg_audio(view: View, start: int) -> bool:
    """Tell whether MPEG audio frames (not AAC) begin at `start`, or soon behind it.

    Further tags, zeros, or the rest of a frame that was cut may precede them. As frames are also
    inside videos and archives, `_FRAMES_IN_A_ROW` of one kind are demanded behind anything else
    than tags and zeros, and files of known other kinds are none.
    """
    for _ in range(_MOST_TAGS):
        start += tag_length(view, start)
    head = view.read(start, _MOST_BEFORE + _FRAMES_IN_A_ROW * _LONGEST_FRAME)
    at = len(head) - len(head.lstrip(b"\0"))
    if at <= _MOST_BEFORE and _are_frames(head[at:], 2):
        return True
    if _OTHER_FILE.match(head) or _is_transport_stream(head):
        return False
    at = head.find(b"\xff")
    while 0 <= at <= _MOST_BEFORE:
        if _are_frames(head[at : at + _FRAMES_IN_A_ROW * _LONGEST_FRAME], _FRAMES_IN_A_ROW):
            return True
        at = head.find(b"\xff", at + 1)
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Tell whether packets of MPEG-TS begin here, of 188 bytes or with a time before each."""
    return any(head[first::step][:4] == b"GGGG" for first, step in ((0, 188), (4, 192), (0, 204)))


def _are_frames(content: bytes, count: int) -> bool:
    kind, at = content[1:2], 0
    for _ in range(count):
        header = content[at : at + 4]
        length = _frame_length(header)
        if not length or header[1:2] != kind:
            return False
        at += length
    return True


def _frame_length(header: bytes) -> int:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:  # noqa: PLR2004
        return 0
    family = 1 if version == 3 else 2  # noqa: PLR2004
    bits_per_s = _BITRATES_KBPS[family, layer][bitrate - 1] * 1000
    rate_hz = _RATES_HZ[version][rate]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12 * bits_per_s // rate_hz + padding) * 4
    samples = 576 if layer == 3 and family == 2 else 1152  # noqa: PLR2004
    return samples // 8 * bits_per_s // rate_hz + padding
