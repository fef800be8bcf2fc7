"""Random sequences of all commands and of what other programs do, over a few small real files.

After each step the catalogue, the tags and the journal must agree, and in the end each file is
restored. VALENCED_SEQUENCES raises the number of sequences, VALENCED_SEED chooses others.
"""

from __future__ import annotations

import os
import random
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from daemon.pipeline.contests import MOST_CONTESTS
from daemon.tagging.basics.keys import Preset
from storage.catalogue import Catalogue
from storage.schema.tables import clips, given_annotations, queue
from tests.daemon.pipeline.moving_library import MovingLibrary
from tests.daemon.pipeline.tagged_library import original, titled

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = int(os.environ.get("VALENCED_SEQUENCES", "2000"))
SEED = int(os.environ.get("VALENCED_SEED", "1"))
STEPS = 2
RENEWED_AFTER = 20
TWICE_IN = 4
KINDS = ("mp3-bare", "flac", "wav", "opus", "m4a", "mp3", "wavpack", "aiff")
PRESETS = tuple(Preset)


def step(library: MovingLibrary, chance: random.Random) -> str:
    """Do something at random, and return what."""
    path = chance.choice(library.files())
    if library.catalogue.clip_at(path) is None:
        library.scan()
        return "scan"
    other = chance.choice(library.files())
    name = chance.choice(library.folders) / f"{chance.choice('abcd')}.audio"
    title = chance.choice("xyz") * chance.choice([1, 30, 3000])
    rounds = chance.randint(1, MOST_CONTESTS + 3)
    events: dict[str, Callable[[], object]] = {
        "scan": library.scan,
        "write": lambda: library.write(path),
        "strip": lambda: library.asked(path, library.strip),
        "restore": lambda: library.asked(path, library.restore),
        "preset": lambda: library.use_preset(chance.choice(PRESETS)),
        "annotate": lambda: library.annotate(path, chance.uniform(-1, 1)),
        "title": lambda: library.change(path, lambda old: titled(old, title)),
        "clear": lambda: library.clear(path),
        "edit ours": lambda: library.edit_our_value(path),
        "keep": lambda: library.keep(path),
        "put back": lambda: library.put_back(path),
        "move": lambda: library.move(path, name),
        "move over": lambda: library.move(path, other),
        "shift": lambda: library.shift(path, name),
        "shift over": lambda: library.shift(path, other),
        "edit and shift": lambda: library.edit_and_shift(path, name, title),
        "carry": lambda: library.carry(path, name),
        "swap": lambda: library.swap(path, other),
        "follow": lambda: library.follow(path, other, name),
        "take out": lambda: library.take_out(path),
        "bring back": lambda: library.bring_back(name),
        "bring back edited": lambda: library.bring_back(name, title),
        "fight over a value": lambda: library.fight(path, rounds, library.claim),
        "fight over all": lambda: library.fight(path, rounds, library.clear),
        "copy": lambda: library.copy(path, name),
        "delete": lambda: library.delete(path),
    }
    event = chance.choice(sorted(events))
    events[event]()
    brief = [f"{each.parent.name}/{each.stem}" for each in (path, other, name)]
    return f"{event} {' '.join(brief)}"


def run(library: MovingLibrary, seed: int, story: list[str]) -> None:
    """Run one sequence, at whose end a file is restored; the next begins with what is there."""
    chance = random.Random(seed)
    story.append(f"seed {seed}")
    for _ in range(STEPS):
        story.append(step(library, chance))
        library.check()
    library.scan()
    library.check_files()
    path = chance.choice(library.files())
    story.append(f"restore {path.parent.name}/{path.stem}")
    library.restore(path, is_twice=seed % TWICE_IN == 0)
    library.check()


@pytest.mark.parametrize("kind", KINDS)
def test_history_and_files_agree_through_any_sequence(kind: str) -> None:
    seeds = list(range(SEED + KINDS.index(kind), SEED + COUNT, len(KINDS)))
    with TemporaryDirectory(dir="/dev/shm") as state, closing(opened(state)) as catalogue:
        for first in range(0, len(seeds), RENEWED_AFTER):
            with TemporaryDirectory(dir="/dev/shm") as folder:
                live(kind, seeds[first : first + RENEWED_AFTER], Path(folder), catalogue)
            forget(catalogue)


def opened(state: str) -> Catalogue:
    return Catalogue(f"sqlite:///{state}/catalogue.db")


def live(kind: str, seeds: list[int], folder: Path, catalogue: Catalogue) -> None:
    library = MovingLibrary(folder, catalogue)
    library.add("a.audio", original(kind, is_owned=False))
    library.add("b.audio", original(kind, is_owned=True))
    other = KINDS[KINDS.index(kind) - 1]
    library.add("other.audio", original(other, is_owned=True))
    story = [kind]
    try:
        for seed in seeds:
            run(library, seed, story)
    except AssertionError as error:
        error.add_note("; ".join(story))
        raise


def forget(catalogue: Catalogue) -> None:
    with catalogue.engine.begin() as connection:
        for table in (clips, queue, given_annotations):
            connection.execute(delete(table))
