"""A catalogue on a server, and a main service that has shared its bundle there."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.sharing.bundle_sharing import share
from daemon.worker.active_bundle import ActiveBundle
from storage.catalogue import Catalogue
from tests.trainer.regression.rated import HEARING
from trainer.bundles.bundle import authenticated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgresql_server import PostgresqlServer


@pytest.fixture
def url(server: PostgresqlServer) -> str:
    return server.new_catalogue()


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(url)) as opened:
        yield opened


def main_with(small: Path, catalogue: Catalogue) -> ActiveBundle:
    """Let the main service predict by a bundle, and share it."""
    manifest, digest = authenticated(small)
    bundle = ActiveBundle(small, manifest.name, HEARING, digest)
    catalogue.bundles.record(bundle.name, manifest.created_at, manifest.model_dump())
    share(catalogue, bundle)
    return bundle
