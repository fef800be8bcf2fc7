from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storage.jobs import MOST_TRAININGS, JobStore, TrainingRun
from tests.records import A_MINUTE, NOON

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


@pytest.fixture
def errands(catalogue: Catalogue) -> JobStore:
    return catalogue.jobs


def test_a_request_lasts_until_it_is_cleared(errands: JobStore) -> None:
    assert not errands.is_requested("train")
    errands.request("train", NOON)
    errands.request("train", NOON + A_MINUTE)
    assert errands.is_requested("train")
    assert errands.requested_at("train") == NOON + A_MINUTE
    assert not errands.is_requested("something else")
    errands.clear_request("train")
    assert not errands.is_requested("train")


def test_the_last_training_is_stored(errands: JobStore) -> None:
    assert errands.last_training() is None
    errands.record_training(TrainingRun(NOON, 10, "failed", "no disk"), NOON + A_MINUTE)
    ended = TrainingRun(NOON + A_MINUTE, 12, "kept back", "no better", "starter-1.l1")
    number = errands.record_training(ended, NOON + 2 * A_MINUTE)
    assert errands.last_training() == replace(ended, id=number)


def test_a_limited_number_of_trainings_is_stored(errands: JobStore) -> None:
    for _ in range(MOST_TRAININGS + 5):
        errands.record_training(TrainingRun(NOON, 1, "failed", "no disk"), NOON)
    with errands.engine.connect() as connection:
        assert (
            connection.exec_driver_sql("SELECT count(*) FROM trainings").scalar() == MOST_TRAININGS
        )
