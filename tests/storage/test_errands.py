from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.errands import KEPT, Errands, Training
from tests.records import A_MINUTE, NOON

if TYPE_CHECKING:
    from storage.catalogue import Catalogue


@pytest.fixture
def errands(catalogue: Catalogue) -> Errands:
    return Errands(catalogue.engine)


def test_a_wish_stands_until_it_is_met(errands: Errands) -> None:
    assert not errands.is_wished("train")
    errands.wish("train", NOON)
    errands.wish("train", NOON + A_MINUTE)
    assert errands.is_wished("train")
    assert not errands.is_wished("something else")
    errands.fulfil("train")
    assert not errands.is_wished("train")


def test_a_training_that_was_killed_leaves_no_trace(errands: Errands) -> None:
    errands.begin_training(10, NOON)
    assert errands.last_training() is None
    number = errands.begin_training(12, NOON + A_MINUTE)
    ended = Training(number, NOON + A_MINUTE, 12, "kept back", "no better", "starter-1.l1")
    errands.end_training(ended, NOON + 2 * A_MINUTE)
    assert errands.last_training() == ended


def test_only_so_many_trainings_are_remembered(errands: Errands) -> None:
    for _ in range(KEPT + 5):
        number = errands.begin_training(1, NOON)
        errands.end_training(Training(number, NOON, 1, "failed", "no disk"), NOON)
    with errands.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trainings").scalar() == KEPT
