from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storage.jobs import KEPT, JobStore, TrainingRun
from tests.records import A_MINUTE, NOON

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


@pytest.fixture
def errands(catalogue: Catalogue) -> JobStore:
    return catalogue.jobs


def test_a_wish_stands_until_it_is_met(errands: JobStore) -> None:
    assert not errands.is_wished("train")
    errands.wish("train", NOON)
    errands.wish("train", NOON + A_MINUTE)
    assert errands.is_wished("train")
    assert not errands.is_wished("something else")
    errands.fulfil("train")
    assert not errands.is_wished("train")


def test_the_last_training_is_remembered(errands: JobStore) -> None:
    assert errands.last_training() is None
    errands.note_training(TrainingRun(NOON, 10, "failed", "no disk"), NOON + A_MINUTE)
    ended = TrainingRun(NOON + A_MINUTE, 12, "kept back", "no better", "starter-1.l1")
    number = errands.note_training(ended, NOON + 2 * A_MINUTE)
    assert errands.last_training() == replace(ended, id=number)


def test_only_so_many_trainings_are_remembered(errands: JobStore) -> None:
    for _ in range(KEPT + 5):
        errands.note_training(TrainingRun(NOON, 1, "failed", "no disk"), NOON)
    with errands.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trainings").scalar() == KEPT
