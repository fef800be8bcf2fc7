"""A small library, the real pipeline over it in this process, and what each file is without us.

Every change by others is made to the file and to a second one that never had tags of ours: its
`pure` bytes. So it is known at any time what a restore has to give.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import mutagen
import mutagen.id3
import mutagen.mp4

from config.settings import MoodSettings, TagSettings
from daemon.pipeline.claimed_file import FileResult
from daemon.pipeline.contests import CONTESTED, LONG_AGO
from daemon.pipeline.stages import Pipeline
from daemon.pipeline.tag_sync import TagSync
from daemon.tagging import api
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from daemon.tagging.formats.detect import container_of
from daemon.tagging.parsing.tag_requests import answer
from daemon.watch.file_filter import FileFilter
from daemon.watch.file_state import stamp_at
from daemon.watch.folder_comparison import compare
from daemon.watch.nested_mounts import NestedMounts
from daemon.worker.tag_client import TagClient
from daemon.worker.worker_client import WorkerClient
from storage.annotations import GivenAnnotation
from storage.schema.records import TagState
from tests.daemon.tagging.memory import Memory, put
from tests.daemon.tagging.readers import PARSER, blind
from tests.daemon.tagging.sounds import sound
from tests.records import NOON, WORKER_LIMITS, analysis
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from config.settings import TagMode
    from daemon.worker.active_bundle import ActiveBundle
    from storage.catalogue import Catalogue
    from storage.schema.records import Analysis, Clip
    from trainer.audio.sound_file import SoundFile

id3: Any = mutagen.id3
mp4: Any = mutagen.mp4
mutagen_file: Any = mutagen.File

OWNERS: Final = {"MOOD_AROUSAL": ["77"], "MOOD_VALENCE": ["-5"], "AROUSAL": ["0.25"]}
"""Values under our keys that were there before us, as another program wrote them."""


class LocalWorker(WorkerClient):
    """Does the work of a worker in this process, and predicts without decoding."""

    def __init__(self) -> None:
        super().__init__(WORKER_LIMITS)

    def expect(self, bundle: ActiveBundle) -> None:
        pass

    def identify(self, file: Path | SoundFile) -> str:
        return identify(file)

    def analyse(self, file: Path | SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        del file, bundle
        return analysis(identity, int(identity[:4], 16) / 65536, -int(identity[4:8], 16) / 65536)

    def ask(
        self,
        path: Path,
        parse: Callable[[dict[str, Any]], Any],
        request: dict[str, Any],
        files: Sequence[int],
    ) -> Any:
        del path
        return parse(json.loads(json.dumps(answer(request, files, blind))))


@dataclass(frozen=True)
class Bundle:
    """Stands for the bundle in service, as nothing is decoded."""

    name: str = "test-1"
    hearing: str = "test/1"


@dataclass
class Expected:
    """What a file is without us.

    Attributes:
        pure: its bytes, had we never touched it.
        is_exact: whether a restore has to give these very bytes; if not, these very tags, since
            others have written into a file with tags of ours.
        is_out: whether our tags were taken out on request, and stay out.
    """

    pure: bytes
    is_exact: bool = True
    is_out: bool = False


def tags_of(content: bytes) -> dict[str, str]:
    """Return every tag in a file as mutagen reads it, as text."""
    tags = mutagen_file(io.BytesIO(content)).tags
    return {} if tags is None else {key: str(tags[key]) for key in dict(tags)}


def titled(content: bytes, text: str) -> bytes:
    """Return a file to which another program has given a title."""
    memory = io.BytesIO(content)
    file = mutagen_file(memory)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, id3.ID3):
        file.tags.add(id3.TIT2(encoding=3, text=[text]))
    else:
        file["\xa9nam" if isinstance(file.tags, mp4.MP4Tags) else "title"] = [text]
    memory.seek(0)
    file.save(memory)
    return memory.getvalue()


@cache
def original(kind: str, *, is_owned: bool) -> bytes:
    """Return a sound, with or without values of its owner under our keys."""
    return put(sound(kind), OWNERS) if is_owned else sound(kind)


class Library:
    """Files, their catalogue and what is done to them; each method is one event.

    Args:
        folder: of the files.
        catalogue: may know other files, of other folders.

    Attributes:
        folders: those that are watched.
        expected: by file.
        is_busy: whether all happens within seconds.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = folder
        self.catalogue = catalogue
        self.expected: dict[Path, Expected] = {}
        self._kept: dict[Path, tuple[bytes, Expected]] = {}
        self._carried: set[str] = set()
        self._checked: dict[Path, tuple[Clip, Expected]] = {}
        self.folders = [folder]
        self._filter = FileFilter(["audio"], [])
        self._mounts = NestedMounts([folder], mounts=Path(os.devnull))
        self._now = NOON
        self.is_busy = False
        self._worker = LocalWorker()
        self._parser = TagClient(self._worker)
        self.use_preset(keys.Preset.SONGKONG)

    def use_preset(self, preset: keys.Preset, mode: TagMode = "replace") -> None:
        settings = TagSettings(mode=mode, preset=preset.value, mood=False, keep_mtime=False, step=1)
        moods = MoodSettings(arousal_threshold=0, valence_threshold=0)
        self._sync = TagSync(settings, moods, self.catalogue, self._clock)
        self._pipeline = Pipeline(
            self.catalogue,
            cast("ActiveBundle", Bundle()),
            self._sync,
            lambda _: True,
            lambda: 0.0,
            self._clock,
        )

    def _clock(self) -> datetime:
        # Others come so seldom that our tags are not given up, unless a test wants them to.
        self._now += timedelta(seconds=1) if self.is_busy else LONG_AGO
        return self._now

    def files(self) -> list[Path]:
        return sorted(self.expected)

    def clip(self, path: Path) -> Clip:
        clip = self.catalogue.clip_at(path)
        assert clip is not None
        return clip

    def add(self, name: str, content: bytes) -> Path:
        """Put a file there that never had tags of ours."""
        path = self.folders[0] / name
        path.write_bytes(content)
        self.expected[path] = Expected(content)
        # A tag block that hid texts of others repeats them, and may keep them once others wrote it.
        self._carried |= container_of(Memory(content)).repeated(Memory(content)).keys()
        return path

    def scan(self) -> None:
        """Compare the folder with the catalogue, and process what differs."""
        bare = self._bare_and_kept()
        queued = self.catalogue.queued_stamps()
        with self.catalogue.known_files() as known:
            found = compare(self.folders, self._filter, known, self._mounts)
        self.catalogue.restamp(found.restamped)
        if found.gone:
            self.catalogue.mark_missing(map(Path, found.gone), self._clock())
        if found.new:
            new = sorted((file.path, file.stamp) for file in found.new)
            self.catalogue.queue.put(new, self._clock())
        if found.new or queued:
            self._process_queue()
        for clip in self.catalogue.clips_in(TagState.PENDING):
            self._pipeline.write_tags(clip, self._worker)
        self._forget_if_tagged(bare)

    def _bare_and_kept(self) -> list[Path]:
        """Return the files without our tags that have a backup."""
        there = [path for path in self._kept if path in self.expected and path.exists()]
        return [path for path in there if keys.PROVENANCE not in self.items(path)]

    def _forget_if_tagged(self, bare: list[Path]) -> None:
        """Forget the backups of files that were tagged meanwhile.

        The files as they were are the past from then on. What could undo the tags of an older copy
        is gone.
        """
        for path in bare:
            if keys.PROVENANCE in self.items(path):
                self._kept.pop(path, None)

    def _process_queue(self) -> None:
        while entry := self.catalogue.queue.claim(self._clock()):
            result = self._pipeline.process(entry, self._worker)
            # A hard link changes with the file.
            assert result not in {FileResult.UNREADABLE, FileResult.UNUSABLE}

    def write(self, path: Path) -> None:
        """Do as `tags write` does, after a scan."""
        self.scan()
        bare = self._bare_and_kept()
        clip = self.clip(path)
        prediction = self.catalogue.affect_of(clip.identity)
        assert prediction is not None
        outcome = self._sync.write(clip, prediction, self._parser, is_asked=True)
        assert outcome is not None
        assert outcome.state is TagState.WRITTEN, outcome.reason
        self.expected[path].is_out = False
        self.catalogue.tag_journal.record(clip, outcome)
        self._forget_if_tagged(bare)

    def strip(self, path: Path) -> None:
        self._sync.strip(self.clip(path), self._parser)
        assert keys.PROVENANCE not in self.items(path)
        self.expected[path].is_out = True

    def restore(self, path: Path, *, is_twice: bool = True) -> None:
        """Do as `tags restore` does, and compare the file with what it has to be."""
        self._sync.restore(self.clip(path), self._parser)
        self._check_restored(path)
        if is_twice:
            again = self._sync.restore(self.clip(path), self._parser)
            assert again.outcome is api.WriteOutcome.UNCHANGED
        self.expected[path] = Expected(path.read_bytes(), is_out=True)

    def _check_restored(self, path: Path) -> None:
        content, expected = path.read_bytes(), self.expected[path]
        if expected.is_exact:
            assert content == expected.pure, f"{path.name}: other bytes than before us"
        else:
            old, new = (set(tags_of(each).items()) for each in (expected.pure, content))
            differ = {(key, value) for key, value in old ^ new if key not in self._carried}
            assert not differ, f"{path.name}: {sorted(differ)}"

    def annotate(self, path: Path, arousal: float) -> None:
        """Let a person change the values of a sound."""
        given = GivenAnnotation(self.clip(path).identity, path, "me", arousal, 0.5, "command")
        self.catalogue.annotations.add([given], self._clock())

    def change(self, path: Path, edit: Callable[[bytes], bytes]) -> None:
        """Let another program edit a file."""
        content, expected = path.read_bytes(), self.expected[path]
        is_untouched = content == expected.pure
        made = edit(content)
        path.write_bytes(made)
        if is_untouched:
            self.expected[path] = replace(expected, pure=made, is_exact=True)
        else:
            self.expected[path] = replace(expected, pure=edit(expected.pure), is_exact=False)

    def clear(self, path: Path) -> None:
        """Let another program remove every item under our keys."""
        present: keys.Changes = {key: [] for key in self.items(path)}
        if present:
            self.change(path, lambda old: put(old, present))

    def edit_our_value(self, path: Path) -> None:
        """Let a person change a value that our mark lists, which is still ours."""
        items = self.items(path)
        ours = keys.owned_keys(items) - {keys.PROVENANCE, keys.MOOD}
        if ours:
            path.write_bytes(put(path.read_bytes(), {min(ours): ["3"]}))
            self.expected[path].is_exact = False

    def keep(self, path: Path) -> None:
        """Make a backup of a file as it is."""
        self._kept[path] = path.read_bytes(), replace(self.expected[path])

    def put_back(self, path: Path) -> None:
        """Put a backup back, whatever is there now."""
        if path in self._kept:
            content, expected = self._kept[path]
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            is_untouched = content == expected.pure
            is_out = self.expected[path].is_out
            self.expected[path] = replace(expected, is_exact=is_untouched, is_out=is_out)

    def delete(self, path: Path) -> None:
        if len(self.expected) == 1:
            return
        self.keep(path)
        path.unlink()
        del self.expected[path]

    def move(self, path: Path, to: Path) -> None:
        """Rename a file, maybe over another, between two edits."""
        self.scan()
        path.rename(to)
        self.expected[to] = self.expected.pop(path)
        self._kept.pop(to, None)
        self.scan()

    def copy(self, path: Path, to: Path) -> None:
        """Copy a file, while the catalogue knows it as it is, and before it changes again."""
        if path == to:
            return
        self.scan()
        content, expected = path.read_bytes(), self.expected[path]
        known = FileHistory.of(self.catalogue.tag_journal.undos(self.clip(path)))
        if keys.PROVENANCE not in self.items(path):
            expected = Expected(content)
        elif not expected.is_exact and known.past_of(Memory(content)).base is None:
            if self.catalogue.clip_at(to) is not None:
                # Nothing would tell an edited copy over another file from an edit of that.
                return
            ours: keys.Changes = {key: [] for key in keys.owned_keys(self.items(path))}
            expected = Expected(put(content, ours), is_exact=False)
        to.write_bytes(content)
        self.expected[to] = replace(expected)
        self._kept.pop(to, None)
        # Where tags were taken out on request before, a scan leaves the copy alone.
        self.write(to)

    def items(self, path: Path) -> keys.Items:
        return api.read(path, PARSER)

    def check(self) -> None:
        """Check that catalogue, tags and journal agree about every file that has changed."""
        for clip in self.catalogue.clips_below(self._folder):
            expected = self.expected.get(clip.path)
            if expected is None or self._checked.get(clip.path) == (clip, expected):
                continue
            stamp = stamp_at(clip.path)
            if stamp and clip.stamp.holds_for(stamp):
                self._check_file(clip.path, expected, clip)
                self._checked[clip.path] = clip, replace(expected)

    def _check_file(self, path: Path, expected: Expected, clip: Clip) -> None:
        undos = self.catalogue.tag_journal.undos(clip)
        assert len(undos) <= 1
        items = self.items(path)
        if clip.tag_state is not TagState.PENDING:
            assert (clip.tag_state is TagState.OFF) == expected.is_out
        if clip.tag_state is TagState.WRITTEN:
            assert clip.tagged is not None
            assert undos
            assert keys.PROVENANCE in items
        elif clip.tag_state is TagState.NOT_WRITTEN:
            assert clip.tag_reason == CONTESTED
        content = Memory(path.read_bytes())
        record, base = FileHistory.of(undos).past_of(content)
        if keys.PROVENANCE in items and expected.is_exact:
            assert record is not None
            assert base is not None
            assert base.read(0, base.size) == expected.pure
