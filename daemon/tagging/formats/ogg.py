"""The comment packet of Ogg Vorbis, Opus and Ogg FLAC; other streams in the file stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats import ogg_pages as pages
from daemon.tagging.formats import vorbis
from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.splices import Splice, View, narrow
from daemon.tagging.formats.tag_errors import NO_SCHEME, TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

# First bytes of the identifying packet, and of the comment packet.
_CODECS = {
    b"\x01vorbis": b"\x03vorbis",
    b"OpusHead": b"OpusTags",
    b"\x7fFLAC": b"",
}
_FLAC_HEADER = 4
_FLAC_LARGEST = (1 << 24) - 1


class _CommentPacket(NamedTuple):
    """The comment packet and the pages it lies on, with its neighbours there."""

    run: list[pages.Page]
    prefix: bytes
    comments: vorbis.Comments
    segments_after: bytes
    body_after: bytes
    flac: bool


class Ogg:
    """Ogg with one Vorbis, Opus or FLAC stream."""

    kind = "ogg"

    def layout(self, view: View) -> Layout:
        """Return that there is a comment packet; all three codecs demand one."""
        _locate(view)
        return Layout(block=True)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        return _locate(view).comments.items(keys)

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:  # noqa: ARG002 - the packet is mandatory
        """Return the splices that make the changes."""
        _refuse_chain(view)
        found = _locate(view)
        packet = _packet(found, found.comments.changed(changes))
        segments = pages.lacing(len(packet)) + found.segments_after
        new = pages.repaged(found.run, segments, packet + found.body_after)
        start, end = found.run[0].offset, found.run[-1].end
        edits = narrow(view, [Splice(start, end - start, new)])
        added = pages.page_count(found.run, segments) - len(found.run)
        if not added:
            return edits
        return [*edits, *_renumber(view, found.run[-1], added)]


def _packet(found: _CommentPacket, comments: vorbis.Comments) -> bytes:
    block = comments.render()
    if not found.flac:
        return found.prefix + block
    if len(block) > _FLAC_LARGEST:
        raise TagsRefused("its comment block is as large as FLAC allows; shorten other tags")
    return found.prefix[:1] + len(block).to_bytes(3, "big") + block


def _locate(view: View) -> _CommentPacket:
    serial, magic, after_heads = _sound_stream(view)
    run: list[pages.Page] = []
    for page in pages.pages_from(view, after_heads):
        if page.serial == serial:
            run.append(page)
            if any(value < 255 for value in page.segments):  # noqa: PLR2004
                break
        elif run:
            raise TagsRefused(
                "its comments are interleaved with another stream; kept in the catalogue"
            )
    if not run:
        raise TagsRefused("its comment packet is missing; the file is left alone")
    segments = b"".join(page.segments for page in run)
    body = b"".join(view.read(page.body, page.end - page.body) for page in run)
    count = next(i for i, value in enumerate(segments, 1) if value < 255)  # noqa: PLR2004
    packet, rest = body[: sum(segments[:count])], body[sum(segments[:count]) :]
    prefix = _prefix(magic, packet)
    comments = vorbis.parse(packet[len(prefix) :])
    return _CommentPacket(run, prefix, comments, segments[count:], rest, magic == b"\x7fFLAC")


def _prefix(magic: bytes, packet: bytes) -> bytes:
    marker = _CODECS[magic]
    if marker and packet.startswith(marker):
        return marker
    if not marker and packet[:1] and packet[0] & 0x7F == 4:  # noqa: PLR2004
        return packet[:_FLAC_HEADER]
    raise TagsRefused("its second packet holds no comments; the file is left alone")


def _sound_stream(view: View) -> tuple[int, bytes, int]:
    found: list[tuple[int, bytes]] = []
    for page in pages.pages_from(view, 0):
        if not page.flags & pages.FIRST:
            break
        head = view.read(page.body, 8)
        found += [(page.serial, magic) for magic in _CODECS if head.startswith(magic)]
    else:
        raise TagsRefused("it holds no sound; the file is left alone")
    if not found:
        raise TagsRefused(NO_SCHEME)
    if len(found) > 1:
        raise TagsRefused("it holds more than one sound stream; kept in the catalogue only")
    return *found[0], page.offset


def _refuse_chain(view: View) -> None:
    heads = True
    for page in pages.pages_from(view, 0):
        if page.flags & pages.FIRST and not heads:
            raise TagsRefused(
                "it chains several recordings in one file; kept in the catalogue only"
            )
        heads = heads and bool(page.flags & pages.FIRST)


def _renumber(view: View, last: pages.Page, added: int) -> list[Splice]:
    return [
        Splice(page.offset + 18, 8, pages.renumbered(view, page, page.number + added))
        for page in pages.pages_from(view, last.end)
        if page.serial == last.serial
    ]
