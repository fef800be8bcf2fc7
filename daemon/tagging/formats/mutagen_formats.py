"""Tags of FLAC, Ogg, MP4, ASF and APEv2 files, read and written by mutagen.

mutagen edits in memory (`edited_file`), uses the padding that the file has, and adds none. What it
cannot keep is refused here, or by the proof.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mutagen._constants import GENRES
from mutagen.apev2 import TEXT
from mutagen.asf import ASF, UNICODE
from mutagen.flac import FLAC
from mutagen.mp4 import MP4
from mutagen.ogg import OggPage
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis

from daemon.tagging.basics.byte_views import Assembled, Kept, ViewFile
from daemon.tagging.basics.keys import ALL_KEYS, MOOD
from daemon.tagging.basics.tag_errors import MANY_TAGS, NO_SCHEME, TagsRefused
from daemon.tagging.formats.ape_tag import ApeFile, demand_no_lyrics
from daemon.tagging.formats.edited_file import EditedFile
from daemon.tagging.formats.mp4_boxes import demand_movable, end_of_boxes
from daemon.tagging.formats.mutagen_errors import refusing
from daemon.tagging.formats.older_tags import IN_APE, IN_VORBIS, id3v1_texts, is_outer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.basics.keys import Changes, Items

# mutagen's constructors carry no types.
_FLAC: Any = FLAC
_MP4: Any = MP4
_OggPage: Any = OggPage

MOST_TAGS = 10_000

_VENDOR = "valenced"  # writes a comment block that we added; empty again, the block is removed
# A damaged header can claim gigabytes of padding. Comments of FLAC may lie behind its pictures.
_MOST_PADDING, _HEADS = 1 << 20, (1 << 18, 1 << 26)
_OGG_PAGE = b"OggS"
_OGG_HEADER = 27
_BEGINS_STREAM = 2
_OGG_CODECS: Any = {
    b"\x01vorbis": OggVorbis,
    b"OpusHead": OggOpus,
    b"\x7fFLAC": OggFLAC,
    b"Speex   ": OggSpeex,
}
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_FILE_SIZE_AT = 40


@dataclass(frozen=True)
class MutagenFormat:
    """One family of files.

    Attributes:
        kind: as `Container.kind`.
        load: opens a file object; the result has `tags`, `add_tags` and `save` as in mutagen.
        name: turns one of our keys into its name in these files.
        texts: turns the values of a name into texts; None if not all of them are text.
        encode: the reverse of `texts`.
        demand_safe: raises TagsRefused if the file cannot be edited safely.
        drop_block: removes the tag block, now empty, if it is ours to remove.
        older: names in these files by the frame of ID3v2 that says the same, for the texts of an
            ID3v1 block that players show only where there are no other tags.
        end: where the file ends for mutagen; what lies behind stays.
    """

    kind: str
    load: Callable[[Any], Any]
    name: Callable[[str], str] = str
    texts: Callable[[Any], list[str] | None] = list
    encode: Callable[[list[str]], Any] = list
    demand_safe: Callable[[Any], None] = lambda _: None
    drop_block: Callable[[Any], None] = lambda _: None
    older: Mapping[str, str] = field(default_factory=dict)
    end: Callable[[Any], int] = lambda file: file.view.size

    def has_block(self, view: View) -> bool:
        """Tell whether the file has a tag block at all."""
        return self._tags(view) is not None

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys; what is no text is passed over."""
        tags = self._tags(view)
        names = {key: self.name(key) for key in keys} if tags is not None else {}
        return {
            key: texts
            for key, name in names.items()
            if name in tags and (texts := self.texts(tags[name]))
        }

    def has_others(self, view: View) -> bool:
        """Tell whether there are tags besides ours."""
        tags = self._tags(view)
        ours = {self.name(key).upper() for key in ALL_KEYS}
        names = {name.upper() for name in tags.keys()} if tags is not None else set()  # noqa: SIM118
        return not names <= ours

    def repeated(self, view: View) -> Mapping[str, str]:
        """Return the texts of an ID3v1 block that a first tag would hide."""
        if not self.older or self._tags(view):
            return {}
        texts = id3v1_texts(view)
        if "TCON" in texts:
            texts["TCON"] = GENRES[int(texts["TCON"])]
        return {self.older[frame]: text for frame, text in texts.items()}

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made."""
        repeated = self.repeated(view) if any(changes.values()) else {}
        with refusing(whole := ViewFile(view)):
            end = self.end(whole)
        with refusing(file := EditedFile(Assembled(view, [Kept(0, end)]))):
            self.demand_safe(file)
            self._write(file, changes, repeated, keep_block=keep_block)
        behind = Assembled(view, [Kept(end, view.size - end)])
        return Assembled(behind.base, [*file.edited().pieces, *behind.pieces])

    def _tags(self, view: View) -> Any:
        with refusing(file := ViewFile(view)):
            return self.opened(file).tags

    def opened(self, file: ViewFile) -> Any:
        """Load a file.

        Raises:
            TagsRefused: it has more tags than any file, which mutagen handles in quadratic time.
        """
        loaded = self.load(file)
        if loaded.tags is not None and len(loaded.tags) > MOST_TAGS:
            raise TagsRefused(MANY_TAGS)
        return loaded

    def _write(
        self, file: EditedFile, changes: Changes, repeated: Mapping[str, str], *, keep_block: bool
    ) -> None:
        file.seek(0)
        opened = self.opened(file)
        if opened.tags is None:
            opened.add_tags()
        for name, text in repeated.items():
            opened.tags[name] = self.encode([text])
        for key in sorted(changes):
            self._change(opened.tags, self.name(key), changes[key])
        if not opened.tags and not keep_block:
            self.drop_block(opened)
        file.seek(0)
        opened.save(file, padding=lambda room: min(max(room.padding, 0), _MOST_PADDING))

    def _change(self, tags: Any, name: str, values: list[str]) -> None:
        if name in tags:
            if self.texts(tags[name]) is None:
                raise TagsRefused(f"its tag {name} holds something else than text; left alone")
            del tags[name]
        if values:
            tags[name] = self.encode(values)


class _FlacFile(FLAC):
    tags: Any

    def add_tags(self) -> None:
        super().add_tags()  # type: ignore[no-untyped-call]
        self.tags.vendor = _VENDOR


def _demand_whole_comments(file: Any) -> None:
    tags = _FLAC(file).tags
    heads = (file.view.read(0, size) for size in _HEADS)
    if tags is not None and all(tags.write(framing=False) not in head for head in heads):
        raise TagsRefused("it holds comments that would be lost, such as one without a name")


def _drop_comments(opened: Any) -> None:
    if opened.tags.vendor == _VENDOR:
        opened.metadata_blocks = [b for b in opened.metadata_blocks if b is not opened.tags]


def _ogg(file: Any) -> Any:
    heads = []
    file.seek(0)
    while (page := _OggPage(file)).first:
        packet = page.packets[0] if page.packets else b""
        heads += [codec for magic, codec in _OGG_CODECS.items() if packet.startswith(magic)]
    if not heads:
        raise TagsRefused(NO_SCHEME)
    if len(heads) > 1:
        raise TagsRefused("it holds more than one sound stream; kept in the catalogue only")
    file.seek(0)
    return heads[0](file)


def _end_of_recording(file: Any) -> int:
    """Return where the pages end; refuse a chain, in which every link has tags of its own."""
    in_heads = True
    while file.tell() < file.view.size and not _is_behind(file.view, file.tell()):
        is_head = _pass_page(file)
        if is_head and not in_heads:
            raise TagsRefused("it chains several recordings; kept in the catalogue only")
        in_heads = in_heads and is_head
    return int(file.tell())


def _pass_page(file: Any) -> bool:
    """Move behind a page, and tell whether a stream begins on it.

    mutagen reads each packet of a page, 50 of them, which took most of the time of a write.

    Raises:
        ValueError: no whole page is here.
    """
    header = file.read(_OGG_HEADER)
    if len(header) < _OGG_HEADER or not header.startswith(_OGG_PAGE + b"\0"):
        raise ValueError("no page of Ogg")
    lengths = file.read(header[-1])
    end = file.tell() + sum(lengths)
    if len(lengths) < header[-1] or end > file.view.size:
        raise ValueError("a page of Ogg is cut off")
    file.seek(end)
    return bool(header[5] & _BEGINS_STREAM)


def _is_behind(view: View, at: int) -> bool:
    """Tell whether no page begins here, nor any further one behind."""
    if view.read(at, len(_OGG_PAGE)) == _OGG_PAGE:
        return False
    return is_outer(view, at) or _OGG_PAGE not in view.read(at, _MOST_PADDING)


def _asf_texts(values: Any) -> list[str] | None:
    texts = [str(value) for value in values if value.TYPE == UNICODE]
    return texts if len(texts) == len(values) else None


class _AsfFile(ASF):
    def save(self, file: Any, padding: Any) -> None:
        """Also correct the file size in the header; mutagen leaves the old one."""
        old_size = file.seek(0, os.SEEK_END)
        file.seek(0)
        super().save(file, padding=padding)
        new_size = file.seek(0, os.SEEK_END)
        file.seek(0)
        header = file.read(struct.unpack("<16xQ", file.read(24))[0])
        properties = header.find(_ASF_FILE_PROPERTIES)
        at = properties + _ASF_FILE_SIZE_AT
        # A broadcast leaves the size open or wrong; then it stays so.
        if properties >= 0 and header[at : at + 8] == struct.pack("<Q", old_size):
            file.seek(24 + at)
            file.write(struct.pack("<Q", new_size))


_FAMILIES = (
    MutagenFormat(
        "flac",
        _FlacFile,
        drop_block=_drop_comments,
        demand_safe=_demand_whole_comments,
        older=IN_VORBIS,
    ),
    MutagenFormat("ogg", _ogg, end=_end_of_recording),
    MutagenFormat(
        "mp4",
        _MP4,
        name="----:com.apple.iTunes:{}".format,
        texts=lambda values: [value.decode("utf-8", "replace") for value in values],
        encode=lambda values: [value.encode(errors="replace") for value in values],
        demand_safe=demand_movable,
        end=end_of_boxes,
    ),
    MutagenFormat(
        "asf", _AsfFile, name=lambda key: {MOOD: "WM/Mood"}.get(key, key), texts=_asf_texts
    ),
    *(
        MutagenFormat(
            kind,
            ApeFile,
            name=lambda key: {MOOD: "Mood"}.get(key, key),
            texts=lambda value: list(value) if value.kind == TEXT else None,
            demand_safe=demand_no_lyrics,
            drop_block=ApeFile.drop,
            older={} if kind == "mp3" else IN_APE,
        )
        for kind in ("ape", "wavpack", "musepack", "mp3")
    ),
)
FORMATS = {family.kind: family for family in _FAMILIES}
"""The families of files that mutagen writes, by kind; of MP3, the APEv2 tag at its end."""
