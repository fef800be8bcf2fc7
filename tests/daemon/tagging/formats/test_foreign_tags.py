"""The ways in which tag writers are known to have harmed files, container by container."""

from __future__ import annotations

import base64
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import mutagen
import mutagen.apev2
import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.oggopus
import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from tests.daemon.tagging import sounds
from tests.daemon.tagging.readers import read
from tests.daemon.tagging.round_trip import round_trip
from tests.daemon.tagging.sounds import chunk, encoded, frame, id3_tag, sound, sound_file, wav_with
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items

MP3 = encoded("mp3-bare")
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300

# One track with one index point, and the lead-out.
_TRACKS = bytes(8) + b"\1" + bytes(26) + b"\1" + bytes(12) + bytes(8) + b"\xaa" + bytes(27)
CUE_SHEET = b"\5" + (396 + len(_TRACKS)).to_bytes(3, "big") + bytes(395) + b"\2" + _TRACKS

# mutagen's constructors carry no types.
tags_of: Any = mutagen.File
asf: Any = mutagen.asf
apev2: Any = mutagen.apev2
flac: Any = mutagen.flac
id3: Any = mutagen.id3
mp4: Any = mutagen.mp4
oggopus: Any = mutagen.oggopus


def made(folder: Path, content: bytes) -> Path:
    path = folder / "sound"
    path.write_bytes(content)
    return path


class TestId3:
    V23_FRAMES = (
        frame(3, b"TYER", b"\0" + b"1999"),
        frame(3, b"TDAT", b"\0" + b"3112"),
        frame(3, b"IPLS", b"\0producer\0Somebody\0"),
        frame(3, b"RVAD", bytes(10)),
        frame(3, b"TXXX", b"\0SAME\0one"),
        frame(3, b"TXXX", b"\0SAME\0two"),
        frame(3, b"COMM", b"\1eng\xff\xfe\0\0\xff\xfea\0"),
        frame(3, b"XYZ1", b"nobody knows"),
        frame(3, b"TIT2", b"\3not allowed in v2.3, yet common"),
        frame(3, b"APIC", b"\0image/jpeg\0\3\0" + PICTURE),
        frame(3, b"PRIV", b"owner\0\xff\xe0\0\xff"),
    )

    @pytest.mark.parametrize("padding", [0, 10, 5000])
    def test_v23_stays_v23_with_every_frame_in_its_place(
        self, tmp_path: Path, options: WriteOptions, affect: Items, padding: int
    ) -> None:
        path = made(tmp_path, id3_tag(3, *self.V23_FRAMES, padding=padding) + MP3)
        mood = {**affect, **keys.mood_item("calm")}
        between = round_trip(path, options, mood)
        assert between[3] == 3
        assert between[10:].startswith(b"".join(self.V23_FRAMES))
        assert b"TMOO" not in between
        assert b"MOOD\0calm" in between
        assert (len(between) == path.stat().st_size) is (padding == 5000)

    def test_v22_stays_v22(self, tmp_path: Path, options: WriteOptions, affect: Items) -> None:
        frames = [frame(2, b"TT2", b"\0title"), frame(2, b"TXX", b"\0X\0y")]
        path = made(tmp_path, id3_tag(2, *frames, padding=7) + MP3)
        between = round_trip(path, options, affect)
        assert between[3] == 2
        path.write_bytes(between)
        tags = tags_of(path).tags
        assert str(tags["TXXX:MOOD_AROUSAL"]) == "42"
        assert str(tags["TIT2"]) == "title"

    def test_v24_gets_a_mood_frame(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = made(tmp_path, id3_tag(4, frame(4, b"TIT2", b"\3title")) + MP3)
        write(path, {**affect, **keys.mood_item("calm")}, options)
        assert str(tags_of(path).tags["TMOO"]) == "calm"

    @pytest.mark.parametrize("name", [b"mood", b"Mood", b"MOOD"])
    def test_a_mood_of_v23_stays_however_it_is_spelled(
        self, tmp_path: Path, options: WriteOptions, affect: Items, name: bytes
    ) -> None:
        path = made(tmp_path, id3_tag(3, frame(3, b"TXXX", b"\0" + name + b"\0blue")) + MP3)
        write(path, {**affect, **keys.mood_item("calm")}, options)
        assert b"calm" not in path.read_bytes()
        assert read(path)["MOOD"] == ["blue"]

    def test_v24_with_the_sizes_of_v23_is_understood(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        big = b"APIC" + len(PICTURE).to_bytes(4, "big") + b"\0\0" + PICTURE
        path = made(tmp_path, id3_tag(4, big, frame(4, b"TIT2", b"\3t"), padding=30) + MP3)
        between = round_trip(path, options, affect)
        assert big in between

    def test_unsynchronised_tags_stay_so(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        body = frame(3, b"PRIV", b"x\0\xff\xe3\xff\0\xff\xfb")
        raw = body.replace(b"\xff", b"\xff\0")
        path = made(tmp_path, id3_tag(3, raw, flags=0x80) + MP3)
        between = round_trip(path, options, affect)
        assert between[5] == 0x80
        assert raw in between

    @pytest.mark.parametrize(
        "content",
        [
            id3_tag(4, frame(4, b"TIT2", b"\3t"), flags=0x10) + b"3DI\4\0\x10\0\0\0\x0c" + MP3,
            id3_tag(3, b"\0\0\0\6\0\0\0\0\0\5", frame(3, b"TIT2", b"\0t"), flags=0x40) + MP3,
            id3_tag(4, b"\0\0\0\6\1\0", frame(4, b"TIT2", b"\3t"), flags=0x40) + MP3,
            id3_tag(3, frame(3, b"TIT2", b"\0t"), b"\1\2junk after the frames") + MP3,
            id3_tag(3, padding=100) + MP3,
            id3_tag(3) + MP3,
            id3_tag(3, frame(3, b"TIT2", b"\0t")) + id3_tag(4, frame(4, b"TIT2", b"\3u")) + MP3,
            b"\0" * 600 + MP3,
        ],
        ids=["footer", "extended-v23", "extended-v24", "junk", "padding", "empty", "two", "zeros"],
    )
    def test_unusual_tags_survive(
        self, tmp_path: Path, options: WriteOptions, affect: Items, content: bytes
    ) -> None:
        round_trip(made(tmp_path, content), options, affect)

    def test_blocks_at_the_end_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        ape = b"APETAGEX" + struct.pack("<IIIIQ", 2000, 32, 0, 0, 0)
        end = ape + b"TAG" + b"Title".ljust(30, b"\0") + bytes(94) + b"\x11"
        path = made(tmp_path, MP3 + end)
        assert round_trip(path, options, affect).endswith(end)

    def test_a_first_tag_does_not_hide_id3v1_from_players(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        fields = [b"Title".ljust(30), b"Artist".ljust(30, b"\0"), bytes(30), b"1987"]
        block = b"TAG" + b"".join(fields) + b"a comment".ljust(28, b"\0") + b"\0\5\x11"
        path = made(tmp_path, MP3 + block)
        round_trip(path, options, affect)
        write(path, affect, options)
        tags = id3.ID3(path, load_v1=False)
        assert [str(tags[name]) for name in ("TIT2", "TPE1", "TRCK")] == ["Title", "Artist", "5"]
        assert [str(comment) for comment in tags.getall("COMM")] == ["a comment"]

    def test_our_values_are_found_in_any_coding(self, tmp_path: Path) -> None:
        text = "MOOD_AROUSAL\0".encode("utf-16") + "55".encode("utf-16")
        path = made(tmp_path, id3_tag(3, frame(3, b"TXXX", b"\1" + text)) + MP3)
        assert read(path) == {"MOOD_AROUSAL": ["55"]}


class TestWav:
    @pytest.mark.parametrize("after", [True, False])
    def test_every_other_chunk_stays(
        self, tmp_path: Path, options: WriteOptions, affect: Items, *, after: bool
    ) -> None:
        chunks = [
            chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0\0"),
            chunk(b"bext", bytes(602)),
            chunk(b"iXML", b"<BWFXML/>odd"[:11]),
            chunk(b"cue ", struct.pack("<IIIIIII", 1, 1, 0, int.from_bytes(b"data"), 0, 0, 9)),
        ]
        path = made(tmp_path, wav_with(*chunks, after=after))
        between = round_trip(path, options, affect)
        assert b"".join(chunks) in between
        path.write_bytes(between)
        assert str(tags_of(path).tags["TXXX:MOOD_AROUSAL"]) == "42"
        assert int.from_bytes(between[4:8], "little") == len(between) - 8

    @pytest.mark.parametrize("name", [b"id3 ", b"ID3 "])
    @pytest.mark.parametrize("after", [True, False])
    @pytest.mark.parametrize("odd", [b"\0title", b"\0titl"])
    def test_a_tag_chunk_grows_where_it_stands(
        self,
        tmp_path: Path,
        options: WriteOptions,
        affect: Items,
        name: bytes,
        odd: bytes,
        *,
        after: bool,
    ) -> None:
        tag = chunk(name, id3_tag(3, frame(3, b"TIT2", odd)))
        path = made(tmp_path, wav_with(tag, chunk(b"note", b"123"), after=after))
        between = round_trip(path, options, affect)
        assert between.count(name) == 1
        assert between.count(b"note\3\0\0\x00123\0") == 1
        write(path, affect, options)
        strip(path, options)
        assert path.read_bytes() == wav_with(tag, chunk(b"note", b"123"), after=after)

    def test_a_forgotten_last_byte_does_not_misalign_our_chunk(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = bytearray(wav_with(chunk(b"note", b"123"))[:-1])
        content[4:8] = struct.pack("<I", len(content) - 8)
        path = made(tmp_path, bytes(content))
        between = round_trip(path, options, affect)
        assert between.index(b"id3 ") % 2 == 0

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 100])
    def test_a_wrong_size_in_the_header_is_corrected(
        self, tmp_path: Path, options: WriteOptions, affect: Items, size: int
    ) -> None:
        content = encoded("wav")
        path = made(tmp_path, content[:4] + struct.pack("<I", size) + content[8:])
        path.write_bytes(round_trip(path, options, affect))
        assert str(tags_of(path).tags["TXXX:MOOD_AROUSAL"]) == "42"


class TestFlac:
    def test_pictures_cue_sheet_seek_table_and_application_blocks_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "flac")
        file = flac.FLAC(path)
        picture = flac.Picture()
        picture.data = PICTURE
        picture.mime = "image/jpeg"
        file.add_picture(picture)
        file["title"] = ["a", "b"]
        file["Title"] = "c"
        file.metadata_blocks.insert(1, flac.Padding(b"\0" * 50))
        file.save(padding=lambda _: 3)
        blocks = b"\2\0\0\x0atestabcdef" + CUE_SHEET
        content = path.read_bytes()
        path.write_bytes(content[:42] + blocks + content[42:])
        between = round_trip(path, options, affect)
        assert blocks in between
        assert PICTURE in between

    @pytest.mark.parametrize("padding", [0, 1, 100, 210, 5000])
    def test_padding_is_used_as_far_as_it_goes(
        self, tmp_path: Path, options: WriteOptions, affect: Items, padding: int
    ) -> None:
        path = sound_file(tmp_path, "flac")
        file = flac.FLAC(path)
        file.save(padding=lambda _: padding)
        between = round_trip(path, options, affect)
        assert (len(between) == path.stat().st_size) is (padding >= 210)

    def test_without_a_comment_block_one_is_added_and_strip_removes_it(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = encoded("flac")
        first_frame = content.index(b"\xff\xf8", 42)
        bare = content[:4] + b"\x80" + content[5:42] + content[first_frame:]
        path = made(tmp_path, bare)
        round_trip(path, options, affect)
        write(path, affect, options)
        strip(path, options)
        assert tags_of(path).tags is None
        # An empty padding block is left.
        assert path.stat().st_size - len(bare) < 400

    def test_a_tag_in_front_stays(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        front = id3_tag(3, frame(3, b"TIT2", b"\0title"), padding=40)
        path = made(tmp_path, front + encoded("flac"))
        assert round_trip(path, options, affect).startswith(front)

    def test_damaged_metadata_blocks_are_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = encoded("flac")
        path = made(tmp_path, content[:42] + b"\6\0\0\7" + content[42:])
        with pytest.raises(TagWriteError, match="tags cannot be read"):
            write(path, affect, options)

    def test_values_of_one_key_in_any_case_stay_in_order(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "flac")
        file = flac.FLAC(path)
        pairs = [("ARTIST", "b"), ("artist", "a"), ("Artist", "b"), ("mood_arousal", "7")]
        file.tags[:] = [*pairs, ("Mood_Arousal", "8"), ("artist", "")]
        file.save()
        assert read(path)["MOOD_AROUSAL"] == ["7", "8"]
        between = round_trip(path, options, affect)
        path.write_bytes(between)
        assert list(flac.FLAC(path).tags)[:4] == [*pairs[:3], ("artist", "")]

    @pytest.mark.parametrize("entry", [b"TITLE=caf\xe9", b"no equals sign", b"T\xc3\xa4G=1"])
    def test_comments_that_mutagen_would_change_are_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items, entry: bytes
    ) -> None:
        path = sound_file(tmp_path, "flac")
        file = flac.FLAC(path)
        file["title"] = "?" * (len(entry) - len("title="))
        file.save()
        content = path.read_bytes()
        path.write_bytes(content.replace(b"title=" + b"?" * (len(entry) - 6), entry))
        before = path.read_bytes()
        assert entry in before
        with pytest.raises(TagWriteError, match="comments that would be lost"):
            write(path, affect, options)
        assert path.read_bytes() == before


class TestOgg:
    @pytest.mark.parametrize("cover", [0, 60_000, 64_500, 65_000, 65_025, 200_000])
    def test_covers_over_many_pages_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items, cover: int
    ) -> None:
        path = sound_file(tmp_path, "opus")
        file = oggopus.OggOpus(path)
        file["metadata_block_picture"] = base64.b64encode(bytes(cover)).decode()[:cover]
        file.save(padding=lambda _: 0)
        sound_before = identify(path)
        path.write_bytes(round_trip(path, options, affect))
        assert identify(path) == sound_before
        after = oggopus.OggOpus(path)
        assert after["mood_arousal"] == ["42"]
        assert len(after["metadata_block_picture"][0]) == cover

    def test_padding_and_binary_behind_the_comments_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "opus")
        file = oggopus.OggOpus(path)
        file.save(padding=lambda _: 300)
        assert len(round_trip(path, options, affect)) == path.stat().st_size
        binary = b"\1" + bytes(range(256))
        path.write_bytes(sounds.ogg_with_comments("opus", binary))
        assert binary in round_trip(path, options, affect)

    @pytest.mark.parametrize("second", ["vorbis", "opus", "oggflac"])
    @pytest.mark.parametrize("same_serial", [False, True])
    @pytest.mark.parametrize("first", ["vorbis", "opus", "oggflac"])
    def test_chained_recordings_are_refused(
        self,
        tmp_path: Path,
        options: WriteOptions,
        affect: Items,
        first: str,
        second: str,
        *,
        same_serial: bool,
    ) -> None:
        links = [sounds.ogg_with_serial(first, 1), sounds.ogg_with_serial(second, 2 - same_serial)]
        path = made(tmp_path, b"".join(links))
        with pytest.raises(TagWriteError, match="several recordings"):
            write(path, affect, options)
        assert path.read_bytes() == b"".join(links)
        # Our tags can be read all the same.
        assert read(path) == {}

    def test_two_sounds_at_once_are_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        one, other = sounds.ogg_with_serial("opus", 1), sounds.ogg_with_serial("vorbis", 2)
        second = one.index(b"OggS", 4)
        path = made(tmp_path, one[:second] + other + one[second:])
        with pytest.raises(TagWriteError, match="more than one sound stream"):
            write(path, affect, options)

    def test_another_stream_stays(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = encoded("opus")
        fish = sounds.ogg_pages([b"whatever" + bytes(56), b"x"], serial=5)
        second = fish.index(b"OggS", 4)
        head_end = content.index(b"OggS", 4)
        mixed = fish[:second] + content[:head_end] + content[head_end:] + fish[second:]
        between = round_trip(made(tmp_path, mixed), options, affect)
        assert fish[:second] in between
        assert fish[second:] in between


class TestMp4:
    def test_chapters_covers_and_freeform_items_of_others_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        for kind in ("m4a", "m4a-front"):
            path = sound_file(tmp_path, kind)
            file = mp4.MP4(path)
            file["covr"] = [mp4.MP4Cover(PICTURE, mp4.MP4Cover.FORMAT_JPEG)]
            file["----:com.apple.iTunes:REPLAYGAIN_TRACK_GAIN"] = [b"-1 dB", b"-2 dB"]
            file["----:org.example:MOOD_AROUSAL"] = b"theirs"
            file["\xa9cmt"] = "comment"
            file.save(padding=lambda _: 20)
            between = round_trip(path, options, affect)
            assert PICTURE in between
            path.write_bytes(between)
            after = mp4.MP4(path)
            assert after["----:org.example:MOOD_AROUSAL"] == [b"theirs"]

    def test_free_space_keeps_the_file_from_growing(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "m4a-front")
        file = mp4.MP4(path)
        file["\xa9nam"] = "title"
        file.save(padding=lambda _: 2000)
        assert len(round_trip(path, options, affect)) == path.stat().st_size

    def test_without_a_metadata_list_one_is_made(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = encoded("m4a-front")
        # A box of another name is what no tagger looks into.
        path = made(tmp_path, content.replace(b"udta", b"skip", 1))
        sound_before = identify(path)
        path.write_bytes(round_trip(path, options, affect))
        assert identify(path) == sound_before
        assert mp4.MP4(path)["----:com.apple.iTunes:MOOD_AROUSAL"] == [b"42"]

    def test_fragments_and_quicktime_are_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        fragmented = sound("m4a-fragmented")
        assert b"moof" in fragmented
        assert b"mvex" in fragmented
        no_fragments = fragmented[: fragmented.index(b"moof") - 4]
        no_promise = fragmented.replace(b"mvex", b"free")
        for content in (fragmented, no_fragments, no_promise):
            path = made(tmp_path, content)
            with pytest.raises(TagWriteError, match="fragmented"):
                write(path, affect, options)
            assert path.read_bytes() == content
            assert read(path) == {}
        path = tmp_path / "quicktime"
        path.write_bytes(encoded("m4a").replace(b"M4A ", b"qt  ", 1))
        with pytest.raises(TagWriteError, match="no tags are written"):
            write(path, affect, options)

    @pytest.mark.parametrize("kind", ["m4a", "m4a-front"])
    @pytest.mark.parametrize("name", [b"saio", b"iloc", b"meta"])
    def test_absolute_positions_are_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items, kind: str, name: bytes
    ) -> None:
        content = sound(kind)
        if name == b"saio":
            path = made(tmp_path, with_box(content, box(name, bytes(16)), b"moov", b"trak"))
        elif name == b"iloc":
            meta = box(b"meta", bytes(4) + box(name, bytes(16)))
            path = made(tmp_path, with_box(content, meta, b"moov"))
        else:
            path = made(tmp_path, content + box(name, bytes(4)))
        before = path.read_bytes()
        with pytest.raises(TagWriteError, match="absolute positions"):
            write(path, affect, options)
        assert path.read_bytes() == before

    def test_an_index_in_two_pieces_is_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        content = sound("m4a")
        at = content.index(b"moov") - 4
        path = made(tmp_path, content + content[at:])
        with pytest.raises(TagWriteError, match="not in one piece"):
            write(path, affect, options)

    def test_metadata_of_another_kind_is_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = made(tmp_path, sound("m4a").replace(b"mdirappl", b"mdtaappl"))
        with pytest.raises(TagWriteError, match="for films"):
            write(path, affect, options)

    def test_several_items_of_one_name_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        def freeform(name: bytes, *values: bytes) -> bytes:
            parts = [box(b"mean", bytes(4) + b"com.apple.iTunes"), box(b"name", bytes(4) + name)]
            parts += [box(b"data", b"\0\0\0\1" + bytes(4) + value) for value in values]
            return box(b"----", b"".join(parts))

        items = freeform(b"LABEL", b"one", b"two") + freeform(b"MOOD_AROUSAL", b"7", b"8")
        items += freeform(b"MOOD_AROUSAL", b"9") + freeform(b"mood_arousal", b"theirs")
        path = made(tmp_path, with_box(sound("m4a"), items, b"moov", b"udta", b"meta", b"ilst"))
        assert read(path)["MOOD_AROUSAL"] == ["7", "8", "9"]
        between = round_trip(path, options, affect)
        path.write_bytes(between)
        tags = mp4.MP4(path).tags
        assert tags["----:com.apple.iTunes:LABEL"] == [b"one", b"two"]
        assert tags["----:com.apple.iTunes:mood_arousal"] == [b"theirs"]

    def test_items_that_mutagen_does_not_know_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        unknown = box(b"xyz1", b"\1\2\3 nobody knows") + box(b"trkn", b"damaged")
        path = made(tmp_path, with_box(sound("m4a"), unknown, b"moov", b"udta", b"meta", b"ilst"))
        between = round_trip(path, options, affect)
        assert b"nobody knows" in between
        assert b"trkndamaged" in between

    def test_an_item_that_would_be_dropped_stops_the_write(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        # Of two titles mutagen writes only the one that it understands.
        good = box(b"\xa9nam", box(b"data", b"\0\0\0\1" + bytes(4) + b"title"))
        items = good + box(b"\xa9nam", b"damaged")
        path = made(tmp_path, with_box(sound("m4a"), items, b"moov", b"udta", b"meta", b"ilst"))
        before = path.read_bytes()
        with pytest.raises(TagWriteError, match="another tag"):
            write(path, affect, options)
        assert path.read_bytes() == before

    def test_a_cover_before_other_items_is_restored_where_it_was(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        cover = box(b"covr", box(b"data", b"\0\0\0\x0d" + bytes(4) + PICTURE * 6))
        title = box(b"\xa9nam", box(b"data", b"\0\0\0\1" + bytes(4) + b"title"))
        for kind in ("m4a", "m4a-front"):
            content = with_box(sound(kind), cover + title, b"moov", b"udta", b"meta", b"ilst")
            path = made(tmp_path, content)
            done = write(path, affect, options)
            assert done.undo is not None
            assert len(done.undo["undo"]) < 3000
            restore(path, options, FileHistory.of([done.undo]))
            assert path.read_bytes() == content


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def with_box(content: bytes, new: bytes, *parents: bytes) -> bytes:
    """Put boxes at the start of the innermost parent, and correct the chunk offsets."""
    at = 0
    for name in parents:
        start = content.index(name, at) - 4
        size = struct.pack(">I", int.from_bytes(content[start : start + 4], "big") + len(new))
        content = content[:start] + size + content[start + 4 :]
        at = start + 8 + (4 if name == b"meta" else 0)
    sound_at = content.index(b"mdat")
    content = content[:at] + new + content[at:]
    if at < sound_at:
        table = content.index(b"stco") + 8
        (count,) = struct.unpack_from(">I", content, table)
        places = struct.unpack_from(f">{count}I", content, table + 4)
        moved = struct.pack(f">{count}I", *(place + len(new) for place in places))
        content = content[: table + 4] + moved + content[table + 4 + 4 * count :]
    return content


def test_a_flac_comment_without_a_name_is_never_lost(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = made(tmp_path, sound("flac"))
    write(path, {"MOOD_AROUSAL": ["5"]}, options)
    content = path.read_bytes()
    assert content.count(b"MOOD_AROUSAL=5") == 1
    path.write_bytes(content.replace(b"MOOD_AROUSAL=5", b"=OOD_AROUSAL=5"))
    before = path.read_bytes()
    with pytest.raises(TagWriteError, match="such as one without a name"):
        write(path, affect, options)
    assert path.read_bytes() == before


class TestApe:
    def test_items_of_all_kinds_and_flags_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        items = [
            ape_item(b"Artist", b"one\0two"),
            ape_item(b"Locked", b"read only", flags=1),
            ape_item(b"Related", b"http://example.org", flags=4),
            ape_item(b"Blob", b"\0\1\2", flags=2),
            ape_item(b"mood_AROUSAL", b"7\x008"),
        ]
        path = made(tmp_path, sound("musepack") + ape_tag(items))
        assert read(path)["MOOD_AROUSAL"] == ["7", "8"]
        path.write_bytes(round_trip(path, options, affect))
        content = path.read_bytes()
        assert content[content.index(b"Locked") - 4 :][:4] == b"\1\0\0\0"
        assert content[content.index(b"Artist") - 4 :][:4] == bytes(4)
        tags = apev2.APEv2(path)
        assert list(tags["Artist"]) == ["one", "two"]
        assert (tags["Blob"].value, tags["Related"].kind) == (b"\0\1\2", 2)

    def test_a_tag_that_looks_like_id3v1_is_kept_whole(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        tag = ape_tag([ape_item(b"Title", b"x" * 53)])
        assert tag[-128:].startswith(b"TAG")
        path = made(tmp_path, sound("musepack") + tag)
        path.write_bytes(round_trip(path, options, affect))
        assert str(apev2.APEv2(path)["Title"]) == "x" * 53
        # Of an MP3, ffmpeg takes it for ID3v1.
        path = made(tmp_path, MP3 + tag)
        with pytest.raises(TagWriteError, match="other programs"):
            write(path, affect, options)
        assert path.read_bytes() == MP3 + tag

    def test_a_binary_item_of_our_name_is_left(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        item = ape_item(b"MOOD_AROUSAL", b"\0\1", flags=2)
        path = made(tmp_path, sound("musepack") + ape_tag([item]))
        assert read(path) == {}
        with pytest.raises(TagWriteError, match="something else than text"):
            write(path, affect, options)

    def test_version_1_is_read_and_comes_back(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        items = [ape_item(b"Title", b"old"), ape_item(b"MOOD_AROUSAL", b"7")]
        path = made(tmp_path, sound("musepack") + ape_tag(items, version=1000))
        assert read(path)["MOOD_AROUSAL"] == ["7"]
        round_trip(path, options, affect)

    @pytest.mark.parametrize(
        "damaged",
        [
            lambda tag: tag.replace(b"Title", b"Tit\xe9e"),
            lambda tag: tag[:-32] + tag[-32:].replace(b"\2\0\0\0", b"\xff\0\0\0", 1),
            lambda tag: tag.replace(b"old", b"\xff\xfe\xfd"),
            lambda tag: tag + b"LYRICSBEGIN" + b"000011LYRICS200",
        ],
        ids=["name", "size", "value", "lyrics"],
    )
    def test_damaged_blocks_are_left_alone(
        self, tmp_path: Path, options: WriteOptions, affect: Items, damaged: Any
    ) -> None:
        items = [ape_item(b"Title", b"old"), ape_item(b"Artist", b"x")]
        path = made(tmp_path, sound("musepack") + damaged(ape_tag(items)))
        before = path.read_bytes()
        with suppress(TagWriteError):
            done = write(path, affect, options)
            assert done.undo is not None
            restore(path, options, FileHistory.of([done.undo]))
        assert path.read_bytes() == before

    def test_a_tag_at_the_start_is_refused(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        with pytest.raises(TagWriteError, match="no tags are written"):
            write(made(tmp_path, ape_tag([]) + sound("musepack")), affect, options)

    @pytest.mark.parametrize("kind", ["wavpack", "ape", "musepack"])
    def test_blocks_of_others_and_id3v1_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items, kind: str
    ) -> None:
        item = struct.pack("<II", 4, 2) + b"Cover Art (Front)\0\0\1\2\3"
        size = struct.pack("<III", 2000, len(item) + 32, 1)
        header = b"APETAGEX" + size + struct.pack("<IQ", 0xA0000000, 0)
        footer = b"APETAGEX" + size + struct.pack("<IQ", 0x80000000, 0)
        end = b"TAG" + bytes(125)
        content = sound(kind)
        if kind == "wavpack":
            content = content[: content.index(b"APETAGEX")] if b"APETAGEX" in content else content
        path = made(tmp_path, content + header + item + footer + end)
        between = round_trip(path, options, affect)
        assert between.endswith(end)
        assert item in between


def ape_item(name: bytes, value: bytes, flags: int = 0) -> bytes:
    return struct.pack("<II", len(value), flags) + name + b"\0" + value


def ape_tag(items: list[bytes], version: int = 2000) -> bytes:
    body = b"".join(items)
    numbers = struct.pack("<III", version, len(body) + 32, len(items))
    if version == 1000:
        return body + b"APETAGEX" + numbers + bytes(12)
    header = b"APETAGEX" + numbers + struct.pack("<IQ", 0xA0000000, 0)
    return header + body + b"APETAGEX" + numbers + struct.pack("<IQ", 0x80000000, 0)


class TestAsf:
    def test_values_of_every_object_stay(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "wma")
        file = tags_of(path)
        unicode, dword, guid = asf.ASFUnicodeAttribute, asf.ASFDWordAttribute, asf.ASFGUIDAttribute
        file["Title"] = ["in the content description", "and again in the library"]
        file["WM/Language"] = [unicode(value="de", language=0), unicode(value="en", language=1)]
        file["Level"] = [dword(value=4, stream=1), dword(value=5)]
        file["Id"] = [guid(value=bytes(range(16)))]
        file["WM/Picture"] = [asf.ASFByteArrayAttribute(value=PICTURE)]
        file["WM/Text"] = ["long " * 20_000]
        file["WM/Mood"] = ["blue", "green"]
        file.save()
        assert read(path)["MOOD"] == ["blue", "green"]
        present = sorted(map(repr, tags_of(path).tags))
        path.write_bytes(round_trip(path, options, affect))
        ours = {"MOOD_AROUSAL", "MOOD_VALENCE", "VALENCED"}
        assert sorted(repr(item) for item in tags_of(path).tags if item[0] not in ours) == present

    def test_the_header_tells_the_size_of_the_file(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "wma")
        at = path.read_bytes().index(bytes.fromhex("a1dcab8c47a9cf11")) + 40
        assert struct.unpack_from("<Q", path.read_bytes(), at) == (path.stat().st_size,)
        between = round_trip(path, options, affect)
        assert struct.unpack_from("<Q", between, at) == (len(between),)
        broadcast = path.read_bytes()[:at] + bytes(8) + path.read_bytes()[at + 8 :]
        path.write_bytes(broadcast)
        assert round_trip(path, options, affect)[at : at + 8] == bytes(8)

    def test_a_number_of_our_name_is_left(
        self, tmp_path: Path, options: WriteOptions, affect: Items
    ) -> None:
        path = sound_file(tmp_path, "wma")
        file = tags_of(path)
        file["MOOD_AROUSAL"] = [7]
        file.save()
        assert read(path) == {}
        with pytest.raises(TagWriteError, match="something else than text"):
            write(path, affect, options)


def test_wma_values_of_other_types_stay(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "wma")
    file = tags_of(path)
    file["WM/Track"] = [7]
    file["Rating"] = [True]
    file["Blob"] = [b"\1\2"]
    file.save()
    round_trip(path, options, affect)
    write(path, affect, options)
    after = tags_of(path)
    assert (after["WM/Track"], after["Rating"], after["Blob"]) == ([7], [True], [b"\1\2"])
    assert strip(path, options).outcome is WriteOutcome.WRITTEN
