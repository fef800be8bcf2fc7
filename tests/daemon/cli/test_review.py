"""The dialogue of `valenced review`, with real players and a real catalogue."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.cli.learning.review import ReviewDialogue
from storage.catalogue import Catalogue
from storage.training_examples import UnratedSound
from tests.records import record
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ratings = dict[Path, tuple[float | None, float | None]]
    Answers = Callable[[str], Ratings]

PATHS = (Path("/m/a.flac"), Path("/m/two\nlines.flac"), Path("/m/c.flac"))
SOUNDS = [UnratedSound(path, f"identity of {path!r}", 0.0, 0.0, 0.5, b"") for path in PATHS]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.db")) as opened:
        for sound in SOUNDS:
            record(opened, sound.path)
        yield opened


@pytest.fixture
def answered(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Answers:
    """Return a function that gives answers, and returns the annotations in force."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def answer(lines: str) -> Ratings:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        ReviewDialogue(catalogue, RatingScale(1, 9), "ann", SOUNDS).run()
        return {one.path: (one.arousal, one.valence) for one in catalogue.annotations.all()}

    return answer


def put_player(folder: Path, script: str) -> None:
    player = folder / "bin" / "mpv"
    player.write_text(f"#!/bin/sh\n{script}\n")
    player.chmod(0o700)


def test_answers_are_given_skipped_gone_back_to_and_undone(
    answered: Answers, capfd: pytest.CaptureFixture[str]
) -> None:
    a, lines, c = PATHS
    # Skipped, rated, back twice, rated, skipped, rated again.
    given = answered("\n5, 5\nb\nb\n9 9\ns\n1 9\n")
    assert given == {a: (1.0, 1.0), lines: (0.0, 0.0), c: (-1.0, 1.0)}
    said = capfd.readouterr()
    assert "2 of 3  /m/two\\nlines.flac\n" in said.out
    assert "3 sounds annotated" in said.err


def test_an_undone_answer_is_asked_for_again(
    answered: Answers, capfd: pytest.CaptureFixture[str]
) -> None:
    assert answered("u\n5 5\nu\nq\n") == {}
    said = capfd.readouterr().out
    assert "nothing is annotated yet" in said
    assert said.count("1 of 3") == 3


@pytest.mark.parametrize(
    "wrong", ["5", "5 5 5", "3,5", "loud", "0 5", "5 9.1", "nan 5", "x" * 9999]
)
def test_a_wrong_answer_is_asked_for_again(
    answered: Answers, capfd: pytest.CaptureFixture[str], wrong: str
) -> None:
    assert answered(f"{wrong}\nq\n") == {}
    assert "two numbers from 1 to 9, such as 1 9" in capfd.readouterr().out


def test_the_end_of_the_input_ends_it(answered: Answers, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(answered("5 5\n")) == 1
    said = capfd.readouterr().err
    assert "no player is installed (mpv, ffplay, play, paplay, aplay)" in said
    assert "1 sound annotated" in said


def test_a_player_that_fails_says_why(
    answered: Answers, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    put_player(tmp_path, "printf 'no \\033[31msound card\\n' >&2; exit 2")
    answered("q\n")
    assert "mpv failed (2): no \\x1b[31msound card\n" in capfd.readouterr().err


def test_a_sound_is_played_again(answered: Answers, tmp_path: Path) -> None:
    put_player(tmp_path, f'echo "$@" >> {tmp_path}/played')
    answered("r\nr\nq\n")
    played = (tmp_path / "played").read_text().splitlines()
    assert played == ["--no-video --really-quiet -- /m/a.flac"] * 3
