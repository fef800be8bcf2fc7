"""ESC-50 and Natural Sounds: unrated sounds, with the mean rating of their class as a weak label.

Piczak, ESC: dataset for environmental sound classification, ACM Multimedia 2015 (ten of its classes
are ESC-10, under CC BY 3.0; the others are under CC BY-NC 3.0).
Norman-Haignere, Kanwisher and McDermott, Distinct cortical pathways for music and speech revealed
by hypothesis-free voxel decomposition, Neuron 2015.

The rating of a clip is the mean rating, in IADS-E, of the sounds with the same name (1 to 9, scaled
to [-1, 1]). It describes the class, not the single sound.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError, Domain, RatedClip
from trainer.corpora.tables.csv_tables import CsvRow, read_rows, sound_path
from trainer.regression.folds import joined_groups

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ESC10 = "esc10"
ESC10_LICENCE = "CC BY 3.0 (Piczak, 2015)"
ESC50 = "esc50"
ESC50_LICENCE = "CC BY-NC 3.0 (Piczak, 2015)"
NATURALSOUNDS = "naturalsounds"
NATURALSOUNDS_LICENCE = "no licence stated for the sounds (Norman-Haignere et al., 2015)"

# All clips of a class share one rating: every fifth is enough, and together they weigh about as
# much as one clip of Natural Sounds. Names begin with the fold of the corpus, so all folds are
# included.
ESC10_EVERY: Final = 5
ESC10_WEIGHT: Final = 0.1
ESC50_EVERY: Final = 2
NATURALSOUNDS_WEIGHT: Final = 0.4

# Names in Natural Sounds, and classes of ESC-50, that are voices.
VOICE_NAMES: Final = frozenset(
    {
        "angry shouting", "baby babbling", "baby crying", "baby talk", "baby-cry",
        "background speech", "boy speaking", "computer-synthesized speech", "crowd laughing",
        "crying", "girl speaking", "laughing", "man speaking", "scream", "whispering",
        "woman speaking",
    }
)  # fmt: skip

# Names in Natural Sounds that are music; all others are everyday sounds.
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

# Longer words that begin alike, such as laugh and laughing, match the same descriptions.
_STEM: Final = 5

_LICENCES: Final[Mapping[str, str]] = {
    ESC10: ESC10_LICENCE,
    ESC50: ESC50_LICENCE,
    NATURALSOUNDS: NATURALSOUNDS_LICENCE,
}

# Classes of ESC-10 that Natural Sounds has, too, with their names there.
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
        CorpusError: the table or the clips of a class are missing, or a norm is not valid.
    """
    source = corpora_dir / ESC10 / "class_norms.csv"
    rows = read_rows(source, ("class", "arousal", "valence"), unique="class")
    shared = _norm_groups(corpora_dir)
    clips: list[RatedClip] = []
    for row in rows:
        kind = row.text("class")
        natural = f"{NATURALSOUNDS}/{_SHARED_CLASSES.get(kind)}"
        group = shared.get(natural, f"norm:{kind}")
        clips += [
            _normed(row, f"{ESC10}/audio/{kind}/{name}", ESC10, kind, group)
            for name in _sounds_of(corpora_dir / ESC10 / "audio" / kind, ESC10_EVERY)
        ]
    return clips


def read_esc50(corpora_dir: Path) -> list[RatedClip]:
    """Read every second clip of each class of ESC-50 that has a norm and is not in ESC-10.

    A group is a class, together with all clips whose norms are averages of the same sounds.

    Raises:
        CorpusError: as `read_esc10`.
    """
    groups = _norm_groups(corpora_dir)
    clips: list[RatedClip] = []
    for row in _esc50_rows(corpora_dir):
        kind = row.text("class")
        clips += [
            _normed(row, f"{ESC50}/audio/{kind}/{name}", ESC50, kind, groups[f"{ESC50}/{kind}"])
            for name in _sounds_of(corpora_dir / ESC50 / "audio" / kind, ESC50_EVERY)
        ]
    return clips


def read_naturalsounds(corpora_dir: Path) -> list[RatedClip]:
    """Read the clips that have a norm.

    Clips whose norms are averages of the same sounds of IADS-E (their patterns in the table
    overlap) form one group, so that no norm is in the training and the test part of a split.

    Raises:
        CorpusError: the table or a clip is missing, or a norm is not valid.
    """
    rows = _natural_rows(corpora_dir)
    groups = _norm_groups(corpora_dir)
    return [
        _normed(
            row,
            sound_path(corpora_dir, NATURALSOUNDS, row.text("path")),
            NATURALSOUNDS,
            row.text("name"),
            groups[f"{NATURALSOUNDS}/{row.text('name')}"],
        )
        for row in rows
        if row.text("arousal")
    ]


def _normed(row: CsvRow, path: str, corpus: str, name: str, group: str) -> RatedClip:
    return RatedClip(
        path=path,
        corpus=corpus,
        domain=_kind_of(name),
        arousal=(row.number("arousal", 1.0, 9.0) - 5.0) / 4.0,
        valence=(row.number("valence", 1.0, 9.0) - 5.0) / 4.0,
        weight=NATURALSOUNDS_WEIGHT if corpus == NATURALSOUNDS else ESC10_WEIGHT,
        group=group,
        licence=_LICENCES[corpus],
    )


def _kind_of(name: str) -> Domain:
    if name in MUSIC_NAMES:
        return "music"
    return "voice" if name in VOICE_NAMES else "sound"


def _sounds_of(folder: Path, every: int) -> list[str]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".opus")
    except OSError as error:
        raise CorpusError(f"{folder}: {error.strerror}") from error
    if not names:
        raise CorpusError(f"{folder}: no sound of this class")
    return names[::every]


def _natural_rows(corpora_dir: Path) -> list[CsvRow]:
    source = corpora_dir / NATURALSOUNDS / "class_norms.csv"
    columns = ("path", "name", "iads_e_descriptions_matched", "arousal", "valence")
    return read_rows(source, columns, unique="path")


def _esc50_rows(corpora_dir: Path) -> list[CsvRow]:
    source = corpora_dir / ESC50 / "class_norms.csv"
    rows = read_rows(source, ("class", "iadse_pattern", "arousal", "valence"), unique="class")
    return [row for row in rows if row.text("arousal")]


def _norm_groups(corpora_dir: Path) -> dict[str, str]:
    """Return the group of each named norm; norms are linked if their patterns share a word."""
    patterns: dict[str, set[str]] = {}
    if (corpora_dir / NATURALSOUNDS / "class_norms.csv").is_file():
        for row in _natural_rows(corpora_dir):
            if row.text("arousal"):
                name = f"{NATURALSOUNDS}/{row.text('name')}"
                patterns[name] = _words(row.text("iads_e_descriptions_matched"))
    if (corpora_dir / ESC50 / "class_norms.csv").is_file():
        for row in _esc50_rows(corpora_dir):
            patterns[f"{ESC50}/{row.text('class')}"] = _words(row.text("iadse_pattern"))
    names = list(patterns)
    first = joined_groups(list(patterns.values()))
    return {
        name: f"norm:{names[index].split('/')[1]}" for name, index in zip(names, first, strict=True)
    }


def _words(pattern: str) -> set[str]:
    """Return the stems of a pattern's alternatives: ``^Phone`` and ``phones`` have the same."""
    plain = re.sub(r"\[\w*(\w)\]", r"\1", pattern.replace("\\d", ""))
    letters = ("".join(filter(str.isalpha, each.lower())) for each in re.split(r"[|()]", plain))
    return {each[:_STEM] for each in letters} - {""}
