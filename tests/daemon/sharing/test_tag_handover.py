"""Tags that one service has left are requested of all others, once."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from daemon.sharing.tag_handover import TagHandover
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueError
from tests.records import A_MINUTE, NOON

if TYPE_CHECKING:
    from datetime import datetime

    from daemon.pipeline.stages import Pipeline


def handover_of(catalogue: Catalogue, pipeline: SimpleNamespace) -> TagHandover:
    now = NOON

    def clock() -> datetime:
        nonlocal now
        now += A_MINUTE
        return now

    return TagHandover(catalogue.jobs, cast("Pipeline", pipeline), clock)


def test_tags_that_were_left_are_requested_of_every_service(catalogue: Catalogue) -> None:
    pipeline = SimpleNamespace(has_left_tags=True)
    leaving = handover_of(catalogue, pipeline)
    holders = [handover_of(catalogue, SimpleNamespace(has_left_tags=False)) for _ in range(2)]
    assert not any(holder.is_requested() for holder in holders)
    leaving.request_left()
    assert not pipeline.has_left_tags
    for holder in holders:
        assert holder.is_requested()
        assert not holder.is_requested()
    leaving.request_left()
    assert not any(holder.is_requested() for holder in holders), "nothing was left since"
    pipeline.has_left_tags = True
    leaving.close()
    assert all(holder.is_requested() for holder in holders)
    # All that is pending is written when a service starts.
    assert not handover_of(catalogue, pipeline).is_requested()


def test_a_request_that_fails_is_made_later(catalogue: Catalogue) -> None:
    pipeline = SimpleNamespace(has_left_tags=True)
    with closing(Catalogue(catalogue.url, reads_only=True)) as reading:
        leaving = handover_of(reading, pipeline)
        with pytest.raises(CatalogueError):
            leaving.request_left()
        leaving.close()
    assert pipeline.has_left_tags
