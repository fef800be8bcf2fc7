"""A service beside the main one predicts by its bundle, and waits while it does not have it."""

from __future__ import annotations

from contextlib import closing
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from daemon.service.bundle_follower import BundleFollower, BundleWait
from daemon.service.messages import MessageQueue, Reload, RoleChanged, Stop
from daemon.sharing.service_access import service_access
from daemon.system.sd_notify import Notifier
from daemon.worker.active_bundle import load_published
from storage.catalogue import Catalogue
from trainer.bundles.registry import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.pipeline.stages import Pipeline
    from daemon.sharing.service_access import ServiceAccess
    from tests.postgresql_server import PostgresqlServer


@pytest.fixture
def url(server: PostgresqlServer) -> str:
    return server.new_catalogue()


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(url)) as opened:
        yield opened


@pytest.fixture
def access(url: str, tmp_path: Path) -> Iterator[ServiceAccess]:
    with service_access(url, tmp_path / "bundles") as got:
        got.ask_for([tmp_path])
        yield got


def test_it_waits_for_the_bundle_and_holds_no_folder_meanwhile(
    catalogue: Catalogue, access: ServiceAccess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    registry, messages = tmp_path / "bundles", cast("MessageQueue", SimpleQueue())
    wait = BundleWait(catalogue, access, messages, Notifier())
    starter = load_published(registry, catalogue, prepare)
    messages.put(Reload())
    assert wait.wait(registry, prepare)
    assert access.has(tmp_path)
    catalogue.record_published("another", "2026", {})
    messages.put(Stop())
    assert not wait.wait(registry, prepare)
    assert not access.has(tmp_path)
    assert "predicts by another, which is not published here; copy its bundles" in caplog.text
    catalogue.record_published(starter.name, "2026", {})
    (starter.directory / "manifest.json").write_text("torn", encoding="utf-8")
    messages.put(Stop())
    assert not wait.wait(registry, prepare)
    assert f"waiting for the bundle {starter.name}: " in caplog.text


def test_what_it_is_told_while_it_waits_is_not_lost(
    catalogue: Catalogue, access: ServiceAccess, tmp_path: Path
) -> None:
    registry, messages = tmp_path / "bundles", cast("MessageQueue", SimpleQueue())
    starter = load_published(registry, catalogue, prepare)
    catalogue.record_published("another", "2026", {})
    messages.put(Reload())
    told = Notifier()
    # It tells the supervisor of the reload while it waits, when the bundle comes.
    told.reloading = lambda: catalogue.record_published(starter.name, "2026", {})  # type: ignore[method-assign]
    assert BundleWait(catalogue, access, messages, told).wait(registry, prepare)
    assert messages.get_nowait() == Reload()


def test_a_new_bundle_is_loaded_if_it_is_published_here(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    registry = tmp_path / "bundles"
    starter = load_published(registry, catalogue, prepare)
    pipeline = SimpleNamespace(bundle=SimpleNamespace(name="older"))
    follower = BundleFollower(registry, catalogue, cast("Pipeline", pipeline))
    follower.check()
    assert pipeline.bundle == starter
    catalogue.record_published("another", "2026", {})
    with pytest.raises(RoleChanged):
        follower.check()
    assert pipeline.bundle == starter
