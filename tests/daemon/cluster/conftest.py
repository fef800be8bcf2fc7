"""A Dask cluster for the tests of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemon.cluster.machines import Machine, Machines, machines

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines")) as running:
        yield running


@pytest.fixture(scope="module")
def scheduler(cluster: Machines) -> Machine:
    return cluster.scheduler()
