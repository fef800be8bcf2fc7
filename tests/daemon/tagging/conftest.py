from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from daemon.tagging.api import WriteOptions
from daemon.tagging.basics import keys
from storage.catalogue import Catalogue
from tests.daemon.tagging.readers import PARSER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.begun_writes import BegunWrites

AFFECT: keys.Items = {
    **keys.affect_items(0.42, -0.1),
    **keys.provenance_item("starter-1", "0.1.0", datetime(2026, 11, 21, 8, tzinfo=UTC)),
}


@pytest.fixture
def options() -> WriteOptions:
    return WriteOptions(PARSER)


@pytest.fixture
def affect() -> keys.Items:
    return dict(AFFECT)


@pytest.fixture
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BegunWrites]:
    """The begun writes of a catalogue that lies elsewhere than the sounds."""
    file = tmp_path_factory.mktemp("state") / "catalogue.db"
    with closing(Catalogue(f"sqlite:///{file}")) as catalogue:
        yield catalogue.begun_writes
