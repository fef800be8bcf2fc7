"""ESC-10 and Natural Sounds: sounds nobody rated, whose kind was rated elsewhere.

Piczak, ESC: dataset for environmental sound classification, ACM Multimedia 2015 (CC BY 3.0).
Norman-Haignere, Kanwisher and McDermott, Distinct cortical pathways for music and speech revealed
by hypothesis-free voxel decomposition, Neuron 2015.

The rating of a clip is the mean rating, in IADS-E, of the sounds that go by the same name (1 to 9,
brought to [-1, 1]). It says what such sounds tend to be, not what this one is: a weak label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError, Domain, RatedClip
from trainer.corpora.tables.csv_tables import CsvRow, read_rows, refuse_doubles, sound_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ESC10 = "esc10"
ESC10_LICENCE = "CC BY 3.0 (Piczak, 2015)"
NATURALSOUNDS = "naturalsounds"
NATURALSOUNDS_LICENCE = "no licence stated for the sounds (Norman-Haignere et al., 2015)"

# All clips of a class share one rating: every fifth is enough, and together they count as about
# one clip of Natural Sounds. The names begin with the fold of the corpus, so all folds are met.
ESC10_EVERY: Final = 5
ESC10_WEIGHT: Final = 0.1
NATURALSOUNDS_WEIGHT: Final = 0.4

# Names in Natural Sounds that are music; all others are sounds, speech among them.
MUSIC_NAMES: Final = frozenset(
    {
        "big band music", "bluegrass", "blues band", "cello", "classic rock",
        "contemporary pop song", "contemporary rb", "contemporary rock song", "country song",
        "cymbal crash", "drum roll", "drum solo", "electric bass", "guitar", "heavy metal music",
        "latin music", "orchestra music", "piano", "punk music", "rap song", "reggae",
        "rock guitar solo", "saxophone jazz solo", "song from a musical", "soul music",
        "soundtrack for a sad movie scene", "soundtrack from a western",
        "soundtrack from an action scene", "techno", "trumpet jazz solo", "video game music",
        "violin",
    }
)  # fmt: skip

# Classes of ESC-10 that Natural Sounds also holds, each under a name of that corpus.
_SHARED_CLASSES: Final[Mapping[str, str]] = {
    "baby-cry": "baby crying",
    "dog-bark": "dog barking",
    "helicopter": "helicopter",
    "sea-waves": "water splashing",
}


def read_esc10(corpora_dir: Path) -> list[RatedClip]:
    """Read every fifth clip of each class that has a norm.

    A group is a class, together with the clips of Natural Sounds that share its norm.

    Raises:
        CorpusError: the table or the clips of a class are missing, or a norm is none.
    """
    source = corpora_dir / ESC10 / "class_norms.csv"
    rows = read_rows(source, ("class", "arousal", "valence"))
    refuse_doubles(source, [row.text("class") for row in rows])
    shared = _shared_groups(corpora_dir)
    clips: list[RatedClip] = []
    for row in rows:
        kind = row.text("class")
        group = shared.get(_SHARED_CLASSES.get(kind, ""), f"norm:{kind}")
        clips += [
            _normed(row, f"{ESC10}/audio/{kind}/{name}", ESC10, "sound", group)
            for name in _sounds_of(corpora_dir / ESC10 / "audio" / kind)
        ]
    return clips


def read_naturalsounds(corpora_dir: Path) -> list[RatedClip]:
    """Read the clips that have a norm.

    Clips whose norms draw on the same sounds of IADS-E (the patterns in the table overlap) form
    one group: a norm seen in one fold must not answer for another.

    Raises:
        CorpusError: the table or a clip is missing, or a norm is none.
    """
    rows = _natural_rows(corpora_dir)
    groups = _linked_groups(rows)
    return [
        _normed(
            row,
            sound_path(corpora_dir, NATURALSOUNDS, row.text("path")),
            NATURALSOUNDS,
            "music" if row.text("name") in MUSIC_NAMES else "sound",
            groups[row.text("name")],
        )
        for row in rows
        if row.text("arousal")
    ]


def _normed(row: CsvRow, path: str, corpus: str, domain: Domain, group: str) -> RatedClip:
    is_esc10 = corpus == ESC10
    return RatedClip(
        path=path,
        corpus=corpus,
        domain=domain,
        follows=domain,
        arousal=(row.number("arousal", 1.0, 9.0) - 5.0) / 4.0,
        valence=(row.number("valence", 1.0, 9.0) - 5.0) / 4.0,
        weight=ESC10_WEIGHT if is_esc10 else NATURALSOUNDS_WEIGHT,
        group=group,
        licence=ESC10_LICENCE if is_esc10 else NATURALSOUNDS_LICENCE,
    )


def _sounds_of(folder: Path) -> list[str]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".opus")
    except OSError as error:
        raise CorpusError(f"{folder}: {error.strerror}") from error
    if not names:
        raise CorpusError(f"{folder}: a class with a norm and no sound")
    return names[::ESC10_EVERY]


def _natural_rows(corpora_dir: Path) -> list[CsvRow]:
    source = corpora_dir / NATURALSOUNDS / "class_norms.csv"
    columns = ("path", "name", "iads_e_descriptions_matched", "arousal", "valence")
    rows = read_rows(source, columns)
    refuse_doubles(source, [row.text("path") for row in rows])
    return rows


def _shared_groups(corpora_dir: Path) -> dict[str, str]:
    if not (corpora_dir / NATURALSOUNDS / "class_norms.csv").is_file():
        return {}
    return _linked_groups(_natural_rows(corpora_dir))


def _linked_groups(rows: Sequence[CsvRow]) -> dict[str, str]:
    """Name the group of each clip name: clips are linked when a pattern stands beside both."""
    patterns = {
        row.text("name"): {_stem(p) for p in row.text("iads_e_descriptions_matched").split("|")}
        for row in rows
        if row.text("arousal")
    }
    group_of = {name: name for name in patterns}
    for name, own in patterns.items():
        for other, others in patterns.items():
            if own & others and group_of[name] != group_of[other]:
                old, new = group_of[other], group_of[name]
                group_of = {key: new if value == old else value for key, value in group_of.items()}
    return {name: f"norm:{group}" for name, group in group_of.items()}


def _stem(pattern: str) -> str:
    """Reduce a pattern to its letters, so that ``^Phone`` and ``phone`` are seen to meet."""
    return "".join(letter for letter in pattern.lower() if letter.isalpha())
