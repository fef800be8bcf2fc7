"""When folders are compared, and what goes on meanwhile."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from config.settings import FolderSettings
from daemon.clock import utc_now
from daemon.service.comparisons import LONGEST_PAUSE_S, Comparisons, Pace
from daemon.service.messages import EventsLost, Reconcile, ReconcileDue
from daemon.system.sd_notify import Notifier
from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import NestedMounts
from daemon.watch.watched_folders import WatchedFolders
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.file_stamps import FileStamp
from storage.schema.records import TagState
from tests.records import NOON, record_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

REFUSAL = (
    "CREATE TRIGGER refusal BEFORE UPDATE OF missing_since ON clips"
    " BEGIN SELECT RAISE(ABORT, 'no room'); END"
)


@dataclass
class Clocks:
    """Two clocks that pass by steps: each look at the one, and each at the other."""

    step_s: float = 0.0
    cost_s: float = 0.0
    now_s: float = 1000.0
    used_s: float = 0.0

    def monotonic(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def processor(self) -> float:
        self.used_s += self.cost_s
        return self.used_s


@dataclass
class Compared:
    catalogue: Catalogue
    folder: Path
    enqueuer: Enqueuer
    comparisons: Comparisons
    clocks: Clocks
    ends: list[Collection[TagState]] = field(default_factory=list)

    def record(self, *names: str) -> None:
        """Make files that are known."""
        for name in names:
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"x")
            self.catalogue.queue.put([(file, FileStamp.of(file.lstat()))], NOON)
            entry = self.catalogue.queue.claim(NOON)
            assert entry is not None
            record_entry(self.catalogue, entry)

    def work(self) -> int:
        """Work until nothing is due; return in how many turns."""
        turns = 0
        self.comparisons.work()
        while self.comparisons.is_busy:
            self.comparisons.work()
            turns += 1
        return turns

    def missing(self, name: str) -> bool:
        clip = self.catalogue.clip_at(self.folder / name)
        return clip is not None and clip.is_missing


@pytest.fixture
def compared(tmp_path: Path) -> Iterator[Compared]:
    folder, clocks = tmp_path / "music", Clocks()
    folder.mkdir()
    with closing(Catalogue(f"sqlite:///{tmp_path / 'state' / 'catalogue.db'}")) as catalogue:
        mounts = NestedMounts([folder])
        enqueuer = Enqueuer(
            [folder],
            FileFilter(["mp3"], [".*"]),
            lambda: 3.0,
            catalogue,
            mounts=mounts,
            clock=lambda: NOON,
            queued=lambda: None,
            expected=lambda: None,
        )
        ends: list[Collection[TagState]] = []
        comparisons = Comparisons(
            enqueuer,
            WatchedFolders([FolderSettings(path=folder)], None, mounts),
            catalogue,
            Notifier(),
            utc_now,
            ends.append,
            clocks.monotonic,
            clocks.processor,
        )
        yield Compared(catalogue, folder, enqueuer, comparisons, clocks, ends)


def test_messages_are_handled_between_the_steps_of_a_comparison(compared: Compared) -> None:
    compared.record("a/1.mp3", "b/1.mp3", "c/1.mp3")
    compared.clocks.step_s = 1.0
    compared.comparisons.take(Reconcile("a test"))
    assert compared.work() > len("abc")
    assert len(compared.ends) == 1


def test_what_comes_back_during_a_comparison_is_not_missing(compared: Compared) -> None:
    compared.record("a/1.mp3", "a/2.mp3", "b/1.mp3")
    away = compared.folder.parent / "away"
    for name in ("a/1.mp3", "a/2.mp3"):
        (compared.folder / name).rename(away.with_name(name.replace("/", " ")))
    compared.clocks.step_s = 1.0
    compared.comparisons.ask("a test")
    while not (run := compared.comparisons._run) or not run.found.gone:
        compared.comparisons.work()
    away.with_name("a 1.mp3").rename(compared.folder / "a" / "1.mp3")
    compared.enqueuer.path_changed(compared.folder / "a" / "1.mp3", 0.0)
    compared.work()
    assert not compared.missing("a/1.mp3")
    assert compared.missing("a/2.mp3")


def test_a_folder_that_became_a_link_during_a_comparison_does_not_hide_what_is_gone(
    compared: Compared,
) -> None:
    compared.record("a/1.mp3", "b/1.mp3")
    elsewhere = compared.folder.parent / "elsewhere"
    (compared.folder / "a").rename(elsewhere)
    (compared.folder / "a").symlink_to(elsewhere)
    compared.comparisons.ask("a test")
    compared.work()
    assert compared.missing("a/1.mp3")
    assert not compared.missing("b/1.mp3")


def test_events_lost_during_a_comparison_are_compared_after_it(compared: Compared) -> None:
    compared.record("a/1.mp3", "b/1.mp3")
    compared.clocks.step_s = 1.0
    compared.comparisons.ask("a test")
    compared.comparisons.work()
    # The topmost folder was compared first.
    (compared.folder / "new.mp3").write_bytes(b"x")
    compared.comparisons.take(EventsLost())
    compared.work()
    assert len(compared.ends) == 2
    assert compared.enqueuer.unsettled() == [compared.folder / "new.mp3"]


def test_settings_that_are_read_again_during_a_comparison_start_another(compared: Compared) -> None:
    compared.record("a/1.mp3", "b/1.mp3")
    compared.clocks.step_s = 1.0
    compared.comparisons.ask("a test", [TagState.WRITTEN])
    compared.comparisons.work()
    (compared.folder / "a" / "1.mp3").unlink()
    compared.comparisons.abandon()
    assert not compared.comparisons.is_busy
    compared.comparisons.ask("the settings were read again", [TagState.PENDING])
    compared.work()
    assert compared.ends == [{TagState.PENDING}]
    assert compared.missing("a/1.mp3")


def test_a_comparison_that_fails_is_made_again(compared: Compared) -> None:
    compared.record("a/1.mp3")
    (compared.folder / "a" / "1.mp3").unlink()
    (compared.folder / "a" / "cover.jpg").touch()
    with closing(sqlite3.connect(compared.catalogue.engine.url.database or "")) as plain:
        plain.execute(REFUSAL)
        compared.comparisons.ask("a test")
        with pytest.raises(CatalogueError):
            compared.work()
        plain.execute("DROP TRIGGER refusal")
    compared.work()
    assert compared.missing("a/1.mp3")


def test_periodic_comparisons_take_a_tenth_of_a_core_at_most(compared: Compared) -> None:
    compared.clocks.cost_s = 1.0
    compared.comparisons.take(ReconcileDue())
    compared.work()
    ended_s = compared.clocks.now_s
    for now_s in range(40):
        compared.clocks.now_s = ended_s + now_s
        compared.comparisons.take(ReconcileDue())
        compared.work()
    assert 1 < len(compared.ends) <= 5


def test_a_comparison_that_is_asked_for_is_never_left_out(compared: Compared) -> None:
    compared.clocks.cost_s = 1000.0
    for _ in range(3):
        compared.comparisons.take(Reconcile("a folder came back"))
        compared.work()
    assert len(compared.ends) == 3


def test_lost_events_are_compared_later_and_later_but_always(compared: Compared) -> None:
    ends_s = []
    for now_s in range(1000, 8000, 5):
        compared.clocks.now_s = now_s
        compared.comparisons.take(EventsLost())
        before = len(compared.ends)
        compared.work()
        ends_s += [now_s] * (len(compared.ends) - before)
    pauses_s = [after - before for before, after in itertools.pairwise(ends_s)]
    assert ends_s[0] == 1000
    assert pauses_s == sorted(pauses_s)
    assert pauses_s[0] <= 15
    assert pauses_s[-1] == LONGEST_PAUSE_S
    compared.clocks.now_s += 3 * LONGEST_PAUSE_S
    assert compared.comparisons.timeout_s(compared.clocks.now_s) == 0.0
    compared.work()
    assert compared.comparisons.timeout_s(compared.clocks.now_s) is None


def test_after_some_calm_lost_events_are_compared_at_once() -> None:
    pace = Pace()
    pace.ended(100.0, 1.0, after_loss=True)
    assert pace.after_loss_s(101.0) == 110.0
    assert pace.after_loss_s(1000.0) == 1000.0
