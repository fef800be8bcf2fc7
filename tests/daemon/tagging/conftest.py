from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.tagging.api import WriteOptions
from daemon.tagging.formats import keys
from tests.daemon.tagging.readers import ffmpeg_reader

AFFECT: keys.Items = {
    **keys.affect_items(0.42, -0.1),
    **keys.provenance_item("starter-1", "0.1.0", datetime(2026, 11, 21, 8, tzinfo=UTC)),
}


@pytest.fixture
def options() -> WriteOptions:
    return WriteOptions(ffmpeg_reader)


@pytest.fixture
def affect() -> keys.Items:
    return dict(AFFECT)
