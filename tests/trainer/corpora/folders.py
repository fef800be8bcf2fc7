"""Corpora of the starter in small, written where a test wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GEMS = "amazement,solemnity,tenderness,nostalgia,calmness,power,joyful_activation,tension,sadness"
NATURAL_HEADING = "path,name,iads_e_descriptions_matched,iads_e_sounds,arousal,valence"


def put_sound(path: Path) -> None:
    """Put a file where a reader looks for sound; no reader opens it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def put_vgmidi(corpora_dir: Path, rows: str, heading: str = "path,arousal,valence,group") -> None:
    """Write VGMIDI with two pieces and the given table."""
    for name in ("a", "b"):
        put_sound(corpora_dir / "vgmidi" / "audio" / f"{name}.opus")
    (corpora_dir / "vgmidi" / "ratings.csv").write_text(f"{heading}\n{rows}")


def put_emotify(corpora_dir: Path, *shares: str) -> None:
    """Write Emotify with one track for each row of nine shares."""
    for i in range(len(shares)):
        put_sound(corpora_dir / "emotify" / "audio" / f"{i}.opus")
    rows = "".join(f"audio/{i}.opus,{row}\n" for i, row in enumerate(shares))
    (corpora_dir / "emotify" / "gems.csv").write_text(f"path,{GEMS}\n{rows}")


def put_sonancia(corpora_dir: Path, pairs: str, sounds: tuple[str, ...]) -> None:
    """Write Sonancia with the same comparisons for both dimensions."""
    for name in sounds:
        put_sound(corpora_dir / "sonancia" / "audio" / f"{name}.opus")
    folder = corpora_dir / "sonancia" / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    for dimension in ("Arousal", "Valence"):
        (folder / f"{dimension}_Preferences.csv").write_text(pairs)


def put_esc10(corpora_dir: Path, *norms: str, clips: int = 5) -> None:
    """Write ESC-10 with the given rows of norms and some clips in each class."""
    for norm in norms:
        kind = norm.split(",")[0]
        for i in range(clips):
            put_sound(corpora_dir / "esc10" / "audio" / kind / f"1-{i:02}.opus")
    rows = "\n".join(norms)
    (corpora_dir / "esc10" / "audio").mkdir(parents=True, exist_ok=True)
    (corpora_dir / "esc10" / "class_norms.csv").write_text(f"class,arousal,valence\n{rows}\n")


def put_naturalsounds(corpora_dir: Path, *rows: str) -> None:
    """Write Natural Sounds: each row holds name, patterns, count, arousal and valence."""
    lines = []
    for i, row in enumerate(rows):
        put_sound(corpora_dir / "naturalsounds" / "audio" / f"{i}.opus")
        lines.append(f"audio/{i}.opus,{row}")
    table = corpora_dir / "naturalsounds" / "class_norms.csv"
    table.write_text("\n".join([NATURAL_HEADING, *lines]) + "\n")


def put_esc50(corpora_dir: Path, *norms: str, clips: int = 4) -> None:
    """Write ESC-50 with rows of class, pattern, arousal and valence, and clips in each class."""
    for norm in norms:
        kind = norm.split(",")[0]
        for i in range(clips):
            put_sound(corpora_dir / "esc50" / "audio" / kind / f"1-{i:02}.opus")
    rows = "\n".join(norms)
    table = corpora_dir / "esc50" / "class_norms.csv"
    table.write_text(f"class,iadse_pattern,arousal,valence\n{rows}\n")


def put_tava(corpora_dir: Path, *rows: str) -> None:
    """Write TAVA: each row holds speaker, arousal and valence."""
    lines = []
    for i, row in enumerate(rows):
        put_sound(corpora_dir / "tava" / "audio" / f"{i}.opus")
        lines.append(f"audio/{i}.opus,{row}")
    table = corpora_dir / "tava" / "ratings.csv"
    table.write_text("\n".join(["path,speaker,arousal,valence", *lines]) + "\n")
