from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Yield an open catalogue beside what a test writes."""
    with closing(Catalogue(f"sqlite:///{tmp_path / 'state' / 'catalogue.db'}")) as opened:
        yield opened
