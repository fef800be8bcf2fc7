from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import music_like, write_audio
from tests.trainer.regression.rated import small_table
from trainer.bundles.bundle import SHIPPED, TABLE
from trainer.features.extract import CANONICAL, extract_features
from trainer.features.vector_codec import rounded
from trainer.regression.same_sounds import linked, same_sounds
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.regression.training_table import TrainingTable


@pytest.fixture(scope="module")
def starter() -> TrainingTable:
    return decode_table((SHIPPED / TABLE).read_bytes(), "the starter")


def test_copies_are_found_and_other_sounds_are_not() -> None:
    vectors = small_table(40, 30).vectors
    assert same_sounds(vectors).tolist() == list(range(70))
    found = same_sounds(np.concatenate([vectors, vectors[[3, 3, 69]]]))
    assert found.tolist() == [*range(70), 3, 3, 69]
    nearly = vectors[[3]] * np.float32(1.001)
    assert same_sounds(np.concatenate([vectors, nearly]))[-1] == 3


def test_all_alike_one_and_none_are_answered_too() -> None:
    assert same_sounds(np.ones((5, 30), np.float32)).tolist() == [0] * 5
    assert same_sounds(np.ones((1, 30), np.float32)).tolist() == [0]
    assert same_sounds(np.empty((0, 30), np.float32)).tolist() == []
    extreme = np.full((3, 30), 2.0**38, np.float32)
    extreme[0] = -extreme[0]
    assert same_sounds(extreme).tolist() == [0, 1, 1]


def test_joined_groups_are_named_after_the_first() -> None:
    group = np.array(["a", "b", "c", "b", "d"])
    assert linked(group, np.array([0, 1, 2, 3, 4])).tolist() == group.tolist()
    assert linked(group, np.array([0, 1, 2, 0, 4])).tolist() == ["a", "a", "c", "a", "d"]


def test_the_starter_has_four_recordings_twice(starter: TrainingTable) -> None:
    """Emotify holds four tracks under two numbers each; raters gave these nearly equal values."""
    same = same_sounds(starter.vectors)
    twice = [number for number, count in Counter(same.tolist()).items() if count > 1]
    pairs = {tuple(starter.path[same == number].tolist()) for number in twice}
    assert pairs == {
        (f"emotify/audio/{first}.opus", f"emotify/audio/{second}.opus")
        for first, second in (
            ("pop-59", "pop-66"), ("rock-63", "rock-66"), ("rock-70", "rock-76"),
            ("rock-72", "rock-75"),
        )
    }  # fmt: skip


def test_a_recording_is_found_in_other_containers_and_bit_rates(
    starter: TrainingTable, tmp_path: Path
) -> None:
    names = ("wav", "flac", "mp3", "m4a", "ogg", "opus")
    vectors = []
    for seed in (1, 2):
        for name in names:
            path = tmp_path / f"{seed}.{name}"
            rate_hz = 48000 if name == "opus" else 44100
            write_audio(path, music_like(20.0, rate_hz, seed=seed), rate_hz)
            vectors.append(extract_features(path, CANONICAL).vector)
    same = same_sounds(np.concatenate([starter.vectors, rounded(np.stack(vectors))]))
    first = len(starter)
    assert same[first:].tolist() == [first] * len(names) + [first + len(names)] * len(names)
