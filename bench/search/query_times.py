"""Times every form of query on a large catalogue, and prints the plan of each.

    python -m bench.search.query_times CATALOGUE [--repeat 100] [--seed 1]

Each form is asked with other values every time, 20 rows each, within this process. Printed are
rows, median and 99th percentile of time and of processor time, and the plan that most took.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.figures import Figure
from storage.schema.records import SOUND_KINDS, Mood
from storage.schema.sound_filter import SoundFilter
from storage.search.finder import Finder
from storage.search.reader import open_finder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storage.search.found_rows import SoundSearch

    Form = Callable[[random.Random, Sequence[Path]], SoundFilter]

LIMIT: Final = 20


def _point(chance: random.Random) -> tuple[float, float]:
    arousal, valence = (max(-1.0, min(1.0, chance.gauss(0, 0.35))) for _ in range(2))
    return round(arousal, 3), round(valence, 3)


def _range(chance: random.Random, width: float) -> tuple[float, float]:
    low = chance.uniform(-0.6, 0.6 - width)
    return low, low + width


def _mood(chance: random.Random) -> Mood:
    return chance.choice(list(Mood))


FORMS: Final[dict[str, Form]] = {
    "first": lambda _, __: SoundFilter(limit=LIMIT),
    "mood": lambda chance, _: SoundFilter(mood=_mood(chance), limit=LIMIT),
    "mood, percentile": lambda chance, _: SoundFilter(
        mood=_mood(chance), percentile=chance.uniform(5, 50), limit=LIMIT
    ),
    "range": lambda chance, _: SoundFilter(arousal=_range(chance, 0.2), limit=LIMIT),
    "two ranges, narrow": lambda chance, _: SoundFilter(
        arousal=_range(chance, 0.01), valence=_range(chance, 0.01), limit=LIMIT
    ),
    "rare range": lambda _, __: SoundFilter(arousal=(0.9, 1.0), valence=(0.8, 1.0), limit=LIMIT),
    "near": lambda chance, _: SoundFilter(near=_point(chance), limit=LIMIT),
    "near, kind": lambda chance, _: SoundFilter(near=_point(chance), kind="voice", limit=LIMIT),
    "near, mood, duration": lambda chance, _: SoundFilter(
        near=_point(chance), mood=_mood(chance), duration_s=(60.0, 600.0), limit=LIMIT
    ),
    "near, under": lambda chance, folders: SoundFilter(
        near=_point(chance), under=chance.choice(folders), limit=LIMIT
    ),
    "under": lambda chance, folders: SoundFilter(under=chance.choice(folders), limit=LIMIT),
    "under, sort": lambda chance, folders: SoundFilter(
        under=chance.choice(folders), sort="-valence", limit=LIMIT
    ),
    "kind": lambda chance, _: SoundFilter(kind=chance.choice(SOUND_KINDS), limit=LIMIT),
    "kind, mood, novelty": lambda chance, _: SoundFilter(
        kind=chance.choice(SOUND_KINDS), mood=_mood(chance), novelty=(0.9, None), limit=LIMIT
    ),
    "duration": lambda chance, _: SoundFilter(
        duration_s=(chance.uniform(1, 300), chance.uniform(300, 400)), limit=LIMIT
    ),
    "long duration": lambda _, __: SoundFilter(duration_s=(20_000.0, None), limit=LIMIT),
    "novelty": lambda chance, _: SoundFilter(novelty=(chance.uniform(0.5, 1.5), None), limit=LIMIT),
    "interval": lambda chance, _: SoundFilter(interval=chance.uniform(0.4, 0.6), limit=LIMIT),
    "text, common": lambda _, __: SoundFilter(text=("flac",), limit=LIMIT),
    "text, rare": lambda chance, _: SoundFilter(
        text=(f"[{chance.randrange(40_000)}]",), limit=LIMIT
    ),
    "text, in names": lambda _, __: SoundFilter(text=("quara winta",), limit=LIMIT),
    **{
        f"sort {key}": lambda _, __, key=key: SoundFilter(sort=key, limit=LIMIT)  # type: ignore[misc]
        for key in ("-path", "arousal", "-valence", "duration_s", "-novelty", "interval")
    },
    **{
        f"sort {key}": lambda _, __, key=key: SoundFilter(sort=key, limit=LIMIT)  # type: ignore[misc]
        for key in ("-analysed_at", "arousal_low", "kind", "-mood", "bundle")
    },
}


TYPICAL: Final = (
    "mood",
    "mood, percentile",
    "two ranges, narrow",
    "near",
    "near, kind",
    "near, mood, duration",
    "under, sort",
    "text, rare",
)
"""The forms that the table of all benchmarks shows."""


def folders_of(finder: SoundSearch, chance: random.Random) -> list[Path]:
    """Return some folders, from a single album to the whole library."""
    found = [sound.path for sound in finder.sounds(SoundFilter(near=(0.0, 0.0), limit=200))]
    parents = [list(path.parents)[: chance.choice([1, 2, 3, 4])][-1] for path in found]
    return [*parents, Path("/srv/library/voices"), Path("/srv/library")]


class Times(NamedTuple):
    """How long the questions of one form took, in milliseconds, in order of size.

    Attributes:
        rows: how many were found, on average.
        elapsed: of each question.
        processor: of each question.
        plan: the one that most questions took.
    """

    rows: float
    elapsed: list[float]
    processor: list[float]
    plan: str


def ask(finder: SoundSearch, form: Form, folders: Sequence[Path], seed: int, repeat: int) -> Times:
    """Ask one form again and again."""
    chance = random.Random(seed)
    elapsed, processor, plans, rows = [], [], Counter[str](), 0
    for _ in range(repeat):
        wanted = form(chance, folders)
        began_s, cpu_s = time.perf_counter(), time.process_time()
        rows += len(finder.rows(wanted))
        elapsed.append(1000 * (time.perf_counter() - began_s))
        processor.append(1000 * (time.process_time() - cpu_s))
        tried = finder.plans if isinstance(finder, Finder) else ()
        plans[" > ".join(plan.name for plan in tried)] += 1
    plan = plans.most_common(1)[0][0]
    return Times(rows / repeat, sorted(elapsed), sorted(processor), plan)


def measure(catalogue: Path, sounds: int, repeat: int) -> list[Figure]:
    """Times some forms."""
    with open_finder(f"sqlite:///{catalogue}") as finder:
        folders = folders_of(finder, random.Random(1))
        times = {name: ask(finder, FORMS[name], folders, 1, repeat) for name in TYPICAL}
    return [
        Figure("query", f"{sounds:,} sounds", name, "processor ms", one.processor, size=sounds)
        for name, one in times.items()
    ]


def main() -> None:
    """Times the forms."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("catalogue", help="a file of SQLite, or the URL of a database")
    parser.add_argument("--repeat", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print("| form | rows | p50 ms | p99 ms | CPU p50 ms | CPU p99 ms | plan |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    given: str = chosen.catalogue
    url = given if "://" in given else f"sqlite:///{Path(given).absolute()}"
    with open_finder(url) as finder:
        folders = folders_of(finder, random.Random(chosen.seed))
        for name, form in FORMS.items():
            times = ask(finder, form, folders, chosen.seed, chosen.repeat)
            print(
                f"| {name} | {times.rows:.0f} | {_figures(times.elapsed)} |"
                f" {_figures(times.processor)} | {times.plan} |",
                flush=True,
            )


def _figures(times: list[float]) -> str:
    """Return the median and the 99th percentile."""
    return f"{times[len(times) // 2]:.1f} | {times[int(0.99 * (len(times) - 1))]:.1f}"


if __name__ == "__main__":
    main()
