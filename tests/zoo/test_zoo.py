"""A sample of the zoo; `make zoo` tries all of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = 60
FAMILIES = (
    "mp3", "wav", "aiff", "dsf", "flac", "ogg", "mp4", "asf", "wavpack", "ape", "musepack",
)  # fmt: skip


@pytest.fixture(scope="module")
def trial() -> Any:
    """The module, where TagLib is installed; it has packages for few machines."""
    return pytest.importorskip("tests.zoo.trial")


def firsts_of(trial: Any, family: str) -> list[Any]:
    """All specimens of the first sound of a family."""
    specimens = [each for each in trial.every_specimen() if each.family == family]
    sound = specimens[0].name.partition(",")[0]
    return [each for each in specimens if each.name.partition(",")[0] == sound]


def faults_of(trial: Any, specimens: list[Any], folder: Path) -> tuple[int, list[str]]:
    made = [(each, content) for each in specimens if (content := each.make()) is not None]
    faults = [
        f"{each.name}: {fault}"
        for each, content in made
        for fault in trial.tried(each, content, folder).faults
    ]
    return len(made), faults


@pytest.mark.parametrize("family", FAMILIES)
def test_tags_of_others_stay_visible(trial: Any, tmp_path: Path, family: str) -> None:
    whole = [each for each in firsts_of(trial, family) if each.is_whole]
    made, faults = faults_of(trial, whole, tmp_path)
    assert faults == []
    assert made > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_what_others_put_around_a_sound_is_no_obstacle(
    trial: Any, tmp_path: Path, family: str
) -> None:
    around = [
        each for each in firsts_of(trial, family) if ", no tags," in each.name and each.is_good
    ]
    assert faults_of(trial, around, tmp_path)[1] == []


def test_a_sample_of_all(trial: Any, tmp_path: Path) -> None:
    specimens = sorted(
        trial.every_specimen(), key=lambda each: blake2b(each.name.encode()).digest()
    )
    made, faults = faults_of(trial, specimens[:SAMPLE], tmp_path)
    assert faults == []
    assert made > SAMPLE // 2
