"""Tags of FLAC, Ogg, MP4, ASF and APEv2 files, read and written by mutagen.

mutagen edits in memory (`edited_file`), uses the padding that the file has, and adds none. What it
cannot keep is refused here, or by the proof.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mutagen.apev2 import TEXT, APENoHeaderError, APEv2, _APEv2Data
from mutagen.asf import ASF, UNICODE
from mutagen.flac import FLAC
from mutagen.mp4 import MP4
from mutagen.mp4._atom import Atoms
from mutagen.ogg import OggPage
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from daemon.tagging.basics.byte_views import Assembled, Kept, ViewFile
from daemon.tagging.basics.keys import MOOD
from daemon.tagging.basics.tag_errors import MANY_TAGS, NO_SCHEME, TagsRefused
from daemon.tagging.formats.edited_file import EditedFile
from daemon.tagging.formats.id3_frames import id3v1_block
from daemon.tagging.formats.mutagen_errors import refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.basics.keys import Changes, Items

# mutagen's constructors carry no types.
_FLAC: Any = FLAC
_MP4: Any = MP4
_APEv2: Any = APEv2
_ApeTag: Any = _APEv2Data
_Atoms: Any = Atoms
_OggPage: Any = OggPage

MOST_TAGS = 10_000

_VENDOR = "valenced"  # writes a comment block that we added; empty again, the block is removed
# A damaged header can claim gigabytes of padding. Comments of FLAC may lie behind its pictures.
_MOST_PADDING, _HEADS = 1 << 20, (1 << 18, 1 << 26)
_OGG_CODECS: Any = {b"\x01vorbis": OggVorbis, b"OpusHead": OggOpus, b"\x7fFLAC": OggFLAC}
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_FILE_SIZE_AT = 40
_LYRICS_END = b"LYRICS200"


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
    """

    kind: str
    load: Callable[[Any], Any]
    name: Callable[[str], str] = str
    texts: Callable[[Any], list[str] | None] = list
    encode: Callable[[list[str]], Any] = list
    demand_safe: Callable[[Any], None] = lambda _: None
    drop_block: Callable[[Any], None] = lambda _: None

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

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made."""
        with refusing(file := EditedFile(Assembled(view, [Kept(0, view.size)]))):
            self.demand_safe(file)
            self._write(file, changes, keep_block=keep_block)
        return file.edited()

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

    def _write(self, file: EditedFile, changes: Changes, *, keep_block: bool) -> None:
        file.seek(0)
        opened = self.opened(file)
        if opened.tags is None:
            opened.add_tags()
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


def _demand_one_recording(file: Any) -> None:
    """Refuse a chain, in which every link has tags of its own."""
    in_heads = True
    while file.tell() < file.view.size:
        is_head = _OggPage(file).first
        if is_head and not in_heads:
            raise TagsRefused("it chains several recordings; kept in the catalogue only")
        in_heads = in_heads and is_head


def _demand_movable(file: Any) -> None:
    """Refuse an MP4 with positions of its sound that mutagen does not know."""
    atoms = _Atoms(file)
    names = [atom.name for atom in atoms.atoms]
    if names.count(b"moov") != 1:
        raise TagsRefused("its MP4 index is not in one piece; the file is left alone")
    if b"moof" in names or b"moov.mvex" in atoms:
        raise TagsRefused("it is a fragmented MP4, whose positions cannot be moved safely")
    has_saio = any(atoms[b"moov"].findall(b"saio", recursive=True))
    if b"meta" in names or b"moov.meta.iloc" in atoms or has_saio:
        raise TagsRefused("it holds absolute positions that cannot be moved; kept in the catalogue")
    if b"moov.udta.meta" in atoms:
        first = atoms[b"moov.udta.meta"].children[0]
        if first.name != b"hdlr" or first.read(file)[1][8:12] != b"mdir":
            raise TagsRefused("its metadata box is of an unknown kind; kept in the catalogue only")


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


class _ApeFile:
    """The APEv2 tag at the end of any file, used like the file classes of mutagen."""

    tags: Any = None

    def __init__(self, file: Any) -> None:
        with suppress(APENoHeaderError):
            self.tags = _APEv2(file)

    def add_tags(self) -> None:
        self.tags = _APEv2()

    def drop(self) -> None:
        self.tags = None

    def save(self, file: Any, padding: Any) -> None:  # noqa: ARG002 - APEv2 has no padding
        """Write or remove the tag; an ID3v1 block and read-only marks, lost by mutagen, stay."""
        block = id3v1_block(file.view)
        locked = {key for key, _, flags in _ape_items(file) if flags & 1}
        file.truncate(file.view.size - len(block))
        if self.tags is None:
            _APEv2().delete(file)
        else:
            self.tags.save(file)
            for key, at, flags in [*_ape_items(file)] if locked else ():
                file.seek(at)
                file.write(struct.pack("<I", flags | (key in locked)))
        file.seek(0, os.SEEK_END)
        file.write(block)


def _ape_items(file: Any) -> Iterator[tuple[bytes, int, int]]:
    """Yield the key of each item, the offset of its flags in the file, and its flags."""
    found, at = _ApeTag(file), 0
    while found.tag is not None and at + 8 < len(found.tag):
        size, flags = struct.unpack_from("<2I", found.tag, at)
        end = found.tag.index(b"\0", at + 8)
        yield found.tag[at + 8 : end], found.data + at + 4, flags
        at = end + 1 + size


def _demand_no_lyrics(file: Any) -> None:
    end = file.view.size - len(id3v1_block(file.view))
    if file.view.read(end - len(_LYRICS_END), len(_LYRICS_END)) == _LYRICS_END:
        raise TagsRefused("it ends with a Lyrics3 block; kept in the catalogue only")


_FAMILIES = (
    MutagenFormat("flac", _FlacFile, drop_block=_drop_comments, demand_safe=_demand_whole_comments),
    MutagenFormat("ogg", _ogg, demand_safe=_demand_one_recording),
    MutagenFormat(
        "mp4",
        _MP4,
        name="----:com.apple.iTunes:{}".format,
        texts=lambda values: [value.decode("utf-8", "replace") for value in values],
        encode=lambda values: [value.encode(errors="replace") for value in values],
        demand_safe=_demand_movable,
    ),
    MutagenFormat(
        "asf", _AsfFile, name=lambda key: {MOOD: "WM/Mood"}.get(key, key), texts=_asf_texts
    ),
    *(
        MutagenFormat(
            kind,
            _ApeFile,
            name=lambda key: {MOOD: "Mood"}.get(key, key),
            texts=lambda value: list(value) if value.kind == TEXT else None,
            demand_safe=_demand_no_lyrics,
            drop_block=_ApeFile.drop,
        )
        for kind in ("ape", "wavpack", "musepack")
    ),
)
FORMATS = {family.kind: family for family in _FAMILIES}
"""The families of files that mutagen writes, by kind."""
