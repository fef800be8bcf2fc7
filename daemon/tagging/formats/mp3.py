"""ID3v2 in front of MPEG audio (MP3), where an ID3v1 or APEv2 block at the end stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Splice, View
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.format import Id3Container
from daemon.tagging.formats.id3_frames import mirrored_v1
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import NEW_TAG_PADDING, Id3Tag, new_tag, tag_at

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Changes

_MOST_ZEROS = 64 * 1024
_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Mpeg(Id3Container):
    """MP3 and MP2 files."""

    kind = "mp3"

    def tag(self, view: View) -> Id3Tag | None:
        """Return the leading ID3v2 tag."""
        length = tag_length(view, 0)
        if length > view.size:
            raise TagsRefused("its ID3 tag claims to be longer than the file; repair that first")
        return tag_at(view, 0, length) if length else None

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        tag = self.tag(view)
        if tag is None:
            new = new_tag(changes, frames=mirrored_v1(view), padding=NEW_TAG_PADDING)
            return [Splice(0, 0, new)] if any(changes.values()) else []
        is_dropped = tag.is_empty_after(changes) and not keep_block
        return [Splice(0, len(tag.raw), b"" if is_dropped else tag.changed(changes))]


def is_mpeg_audio(view: View, start: int) -> bool:
    """Tell whether MPEG audio frames (not AAC) begin at `start`.

    Only further tags and up to 64 KiB of zeros may precede them: a search for frames anywhere would
    also find those inside a video.
    """
    while length := tag_length(view, start):
        start += length
    head = view.read(start, _MOST_ZEROS)
    at = len(head) - len(head.lstrip(b"\0"))
    first = view.read(start + at, 4)
    length = _frame_length(first)
    following = view.read(start + at + length, 4) if length else b""
    return bool(_frame_length(following)) and following[1] == first[1]


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
