"""What a file gets back, in the sequences and among the twins that once went wrong."""

from __future__ import annotations

import os
import re
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daemon.pipeline.contests import CONTESTED, MOST_CONTESTS
from daemon.pipeline.tag_edits import record_tag_edits
from daemon.pipeline.tag_sync import MOVED_HERE
from daemon.service_errors import TagWriteError
from daemon.tagging.basics.keys import Preset
from daemon.tagging.disk.temp_names import sidecar_of
from storage.catalogue import Catalogue
from storage.schema.records import TagState
from tests.daemon.pipeline.moving_library import MovingLibrary
from tests.daemon.pipeline.tagged_library import Library, original, titled
from tests.daemon.tagging.memory import put
from tests.daemon.tagging.readers import PARSER
from tests.records import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import TagMode

OTHERS = {
    "MOOD_AROUSAL": ["0"],
    "VALENCED": ["bundle=test-1; version=0.1.0; at=2020-01-01T00:00:00Z; keys=MOOD_AROUSAL"],
}
"""As a service with another catalogue writes them."""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    file = tmp_path_factory.mktemp("state") / "catalogue.db"
    with closing(Catalogue(f"sqlite:///{file}")) as opened:
        yield opened


@pytest.fixture
def library(tmp_path: Path, catalogue: Catalogue) -> Iterator[Library]:
    library = Library(tmp_path, catalogue)
    yield library
    catalogue.mark_missing(library.expected, NOON)


def owned(library: Library, kind: str, name: str = "a.audio") -> Path:
    """Add a file with values of its owner under our keys, and have it tagged."""
    path = library.add(name, original(kind, is_owned=True))
    library.scan()
    assert library.items(path)["VALENCED"]
    return path


@pytest.fixture(params=["flac", "mp3-bare", "m4a"])
def path(request: pytest.FixtureRequest, library: Library) -> Path:
    return owned(library, request.param)


class TestBackToTheFirstBytes:
    def test_after_strip(self, library: Library, path: Path) -> None:
        library.strip(path)
        library.restore(path)

    def test_after_strip_and_write(self, library: Library, path: Path) -> None:
        library.strip(path)
        library.write(path)
        library.restore(path)

    def test_after_it_was_deleted_put_back_and_tagged_again(
        self, library: Library, path: Path
    ) -> None:
        first = library.expected[path].pure
        path.unlink()
        library.scan()
        library.add(path.name, first)
        library.scan()
        assert library.items(path)["VALENCED"]
        library.restore(path)

    def test_of_a_tagged_file_that_is_put_back_after_a_restore(
        self, library: Library, path: Path
    ) -> None:
        tagged = path.read_bytes()
        library.restore(path)
        path.write_bytes(tagged)
        library.restore(path)

    def test_after_another_preset_was_written_to_a_stripped_file(
        self, library: Library, path: Path
    ) -> None:
        library.strip(path)
        library.use_preset(Preset.UNIT)
        library.write(path)
        assert library.items(path)["MOOD_AROUSAL"] == ["77"]
        library.restore(path)


@pytest.mark.parametrize("names", [("a.audio", "b.audio"), ("b.audio", "a.audio")])
def test_twins_have_histories_of_their_own(library: Library, names: tuple[str, str]) -> None:
    """Whatever is analysed, and restored, first."""
    library.add(names[0], original("mp3-bare", is_owned=False))
    library.add(names[1], original("mp3-bare", is_owned=True))
    library.add("c.audio", titled(original("mp3-bare", is_owned=False), "third"))
    library.scan()
    for path in sorted(library.expected):
        library.restore(path)


def test_a_copy_of_a_tagged_file_outlives_the_history_of_the_original(library: Library) -> None:
    path = owned(library, "flac")
    copy = path.with_name("copy.audio")
    library.copy(path, copy)
    library.restore(path)
    library.strip(path)
    library.restore(copy)


def test_the_copy_of_an_edited_file_does_not_hide_what_the_original_was(library: Library) -> None:
    path = owned(library, "flac")
    library.change(path, partial(titled, text="by others"))
    library.copy(path, path.with_name("copy.audio"))
    library.use_preset(Preset.UNIT)
    library.write(path)
    library.restore(path)


def test_a_twin_that_is_moved_over_another_keeps_its_own_history(library: Library) -> None:
    path = owned(library, "flac")
    other = library.add("b.audio", original("flac", is_owned=False))
    library.scan()
    library.move(other, path)
    library.change(path, lambda old: titled(old, "edited after the move"))
    library.restore(path)


def test_a_file_with_the_inode_number_of_a_missing_one_is_no_stranger(
    library: Library, path: Path, catalogue: Catalogue
) -> None:
    gone = library.add("gone.audio", original("mp3", is_owned=False))
    library.scan()
    gone.unlink()
    library.scan()
    saved = path.with_name("saved")
    saved.write_bytes(path.read_bytes())
    saved.replace(path)
    library.change(path, partial(titled, text="saved by an editor"))
    number = path.stat().st_ino
    catalogue.restamp({gone: replace(library.clip(gone).stamp, inode=number)})
    library.restore(path)


def test_hard_links_have_one_past(library: Library) -> None:
    path = library.add("a.audio", original("flac", is_owned=True))
    link = path.with_name("b.audio")
    link.hardlink_to(path)
    library.expected[link] = library.expected[path]
    library.use_preset(Preset.SONGKONG, mode="in-place")
    for _ in range(2):
        library.scan()
    assert link.samefile(path)
    library.restore(path)
    library.restore(link)


def test_the_same_sound_in_another_container_has_no_past_of_the_first(library: Library) -> None:
    path = library.add("a.audio", original("mp3-bare", is_owned=True))
    other = library.add("b.audio", titled(original("mp3", is_owned=False), "other"))
    library.scan()
    library.restore(other)
    library.restore(path)


@pytest.mark.parametrize("command", ["strip", "restore"])
def test_tags_that_were_taken_out_stay_out_however_often_others_edit(
    library: Library, path: Path, command: str
) -> None:
    getattr(library, command)(path)
    for title in ("one", "two", "three"):
        library.change(path, partial(titled, text=title))
        library.scan()
        assert "VALENCED" not in library.items(path)
    library.write(path)
    assert "VALENCED" in library.items(path)


class TestAnotherWriter:
    def test_is_left_alone_after_a_few_times(self, library: Library) -> None:
        path = owned(library, "flac")
        library.is_busy = True
        inodes = set()
        for _ in range(3 * MOST_CONTESTS):
            path.write_bytes(put(path.read_bytes(), OTHERS))
            library.scan()
            inodes.add(path.stat().st_ino)
        clip = library.clip(path)
        assert (clip.tag_state, clip.tag_reason) == (TagState.NOT_WRITTEN, CONTESTED)
        assert library.items(path)["MOOD_AROUSAL"] == ["0"]
        assert clip.tag_contests == MOST_CONTESTS

    def test_does_not_stop_us_for_ever(self, library: Library) -> None:
        path = owned(library, "flac")
        library.is_busy = True
        for _ in range(MOST_CONTESTS + 1):
            path.write_bytes(put(path.read_bytes(), OTHERS))
            library.scan()
        library.write(path)
        assert library.clip(path).tag_state is TagState.WRITTEN
        assert library.clip(path).tag_contests == 0
        path.write_bytes(put(path.read_bytes(), OTHERS))
        library.scan()
        assert library.clip(path).tag_state is TagState.WRITTEN

    def test_that_comes_once_a_month_is_none(self, library: Library) -> None:
        path = owned(library, "flac")
        for _ in range(2 * MOST_CONTESTS):
            path.write_bytes(put(path.read_bytes(), OTHERS))
            library.scan()
            assert library.clip(path).tag_state is TagState.WRITTEN

    def test_is_forgotten_with_the_sound(self, library: Library) -> None:
        path = owned(library, "flac")
        library.is_busy = True
        for _ in range(MOST_CONTESTS + 1):
            path.write_bytes(put(path.read_bytes(), OTHERS))
            library.scan()
        library.add(path.name, original("mp3-bare", is_owned=False))
        library.scan()
        assert library.clip(path).tag_state is TagState.WRITTEN

    def test_with_a_catalogue_of_its_own_is_no_person_who_edits(self, library: Library) -> None:
        path = owned(library, "flac")
        library.is_busy = True
        path.write_bytes(put(path.read_bytes(), OTHERS))
        record_tag_edits(library.clip(path), PARSER, Preset.SONGKONG, library.catalogue, NOON)
        assert library.catalogue.annotations.all(path) == []


@pytest.fixture
def moving(tmp_path: Path, catalogue: Catalogue) -> MovingLibrary:
    """Three files: two of one sound, one of another."""
    library = MovingLibrary(tmp_path, catalogue)
    library.add("a.audio", original("flac", is_owned=True))
    library.add("b.audio", original("flac", is_owned=False))
    library.add("c.audio", titled(original("mp3-bare", is_owned=True), "another sound"))
    library.scan()
    return library


class TestNamesThatChangeHands:
    """Between two looks, as where tracks are numbered anew."""

    @pytest.mark.parametrize("names", ["ab", "ac", "ca"])
    @pytest.mark.parametrize("target", ["0.audio", "z.audio"])
    def test_leave_each_file_its_history(
        self, moving: MovingLibrary, names: str, target: str
    ) -> None:
        """Whichever of the two is looked at first."""
        first, second = (moving.folders[0] / f"{name}.audio" for name in names)
        moving.follow(first, second, moving.folders[1] / target)
        moving.scan()
        moving.check_files()
        for path in moving.files():
            moving.restore(path)

    @pytest.mark.parametrize("names", ["ab", "ac"])
    def test_by_exchange_leave_each_file_its_history(
        self, moving: MovingLibrary, names: str
    ) -> None:
        first, second = (moving.folders[0] / f"{name}.audio" for name in names)
        moving.strip(first)
        moving.swap(first, second)
        moving.scan()
        assert [moving.clip(path).tag_state for path in (first, second)] == ["written", "off"]
        for path in moving.files():
            moving.restore(path)

    def test_while_a_file_is_elsewhere_leave_it_its_history(self, moving: MovingLibrary) -> None:
        first, *_, last = moving.files()
        moving.take_out(first)
        moving.shift(last, first)
        moving.scan()
        moving.bring_back(last)
        moving.scan()
        moving.restore(last)
        moving.restore(first)

    def test_of_a_twin_that_was_edited_in_place(self, moving: MovingLibrary) -> None:
        first = moving.files()[0]
        moved = moving.folders[1] / "d.audio"
        moving.edit_and_shift(first, moved, "new")
        moving.scan()
        moving.restore(moved)

    def test_are_not_suspected_in_a_library_on_a_new_disk(self, moving: MovingLibrary) -> None:
        """Where a file may have the inode number that another one had on the old disk."""
        names = [moving.folders[0] / f"{name}.audio" for name in "ac"]
        kept = [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in names]
        moving.swap(*names)
        for path, content, mtime_ns in kept:
            path.write_bytes(content)
            os.utime(path, ns=(mtime_ns, mtime_ns))
        expected = moving.expected
        expected[names[0]], expected[names[1]] = expected[names[1]], expected[names[0]]
        moving.restore(names[0])

    @pytest.mark.parametrize("command", ["strip", "restore"])
    @pytest.mark.parametrize("name", ["b", "c"])
    def test_lend_no_command_the_history_of_another(
        self, moving: MovingLibrary, command: str, name: str
    ) -> None:
        """Whose file is at a path is not known before the next look."""
        first, second = moving.folders[0] / "a.audio", moving.folders[0] / f"{name}.audio"
        moving.swap(first, second)
        before = first.read_bytes()
        with pytest.raises(TagWriteError, match=re.escape(MOVED_HERE.format(second))):
            getattr(moving, command)(first)
        assert first.read_bytes() == before
        moving.scan()
        moving.restore(first)


class TestOfAnotherMode:
    """Tags are taken out from where they were written, whatever the settings say by now."""

    @pytest.fixture(
        params=[
            ("replace", "sidecar"),
            ("in-place", "sidecar"),
            ("replace", "none"),
            ("sidecar", "replace"),
            ("sidecar", "in-place"),
            ("sidecar", "none"),
        ],
        ids="-".join,
    )
    def changed(self, request: pytest.FixtureRequest, library: Library) -> Path:
        """Return a file that was tagged in one mode and then, but for `none`, in another."""
        path = library.add("a.audio", original("flac", is_owned=True))
        for mode in request.param:
            library.use_preset(Preset.SONGKONG, mode)
            library.scan()
            if mode != "none":
                library.write(path)
        assert sidecar_of(path).exists() == ("sidecar" in request.param)
        assert (path.read_bytes() != library.expected[path].pure) == (
            not {"replace", "in-place"}.isdisjoint(request.param)
        )
        return path

    def test_restore_gives_back_the_file_and_removes_the_sidecar(
        self, library: Library, changed: Path
    ) -> None:
        library.restore(changed)
        assert [each.name for each in changed.parent.iterdir()] == [changed.name]

    def test_strip_leaves_nothing_of_ours(self, library: Library, changed: Path) -> None:
        library.strip(changed)
        assert [each.name for each in changed.parent.iterdir()] == [changed.name]
        library.restore(changed)

    @pytest.mark.parametrize("mode", ["sidecar", "replace", "none"])
    def test_what_others_put_beside_the_file_stays(
        self, library: Library, path: Path, mode: TagMode
    ) -> None:
        sidecar_of(path).symlink_to(path)
        library.use_preset(Preset.SONGKONG, mode)
        library.restore(path)
        assert sidecar_of(path).is_symlink()
