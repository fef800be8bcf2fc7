"""A service beside the main one predicts by its bundle, and waits while it does not have it."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from daemon.service import bundle_follower
from daemon.service.bundle_follower import BundleFollower, BundleWait, bundle_of_main
from daemon.service.messages import CheckFolders, MessageQueue, Reload, RoleChanged, Stop
from daemon.sharing.bundle_sharing import shared_files
from daemon.sharing.service_access import service_access
from daemon.system.sd_notify import Notifier
from daemon.worker.active_bundle import load_bundle, load_published
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueError
from tests.daemon.sharing.shared_bundles import catalogue, main_with, url
from tests.trainer.bundles.made_bundles import pristine, small
from tests.trainer.regression.rated import HEARING
from trainer.bundles.bundle import MANIFEST, PERSONAL, TABLE, authenticated
from trainer.bundles.registry import prepare, publish, published
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.pipeline.stages import Pipeline
    from daemon.sharing.service_access import ServiceAccess
    from trainer.bundles.bundle_manifest import Manifest

__all__ = ["catalogue", "pristine", "small", "url"]  # fixtures, which pytest finds by name


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
    catalogue.bundles.record("another", "2026", {})
    messages.put(Stop())
    assert not wait.wait(registry, prepare)
    assert not access.has(tmp_path)
    assert "waiting for the bundle another" in caplog.text
    catalogue.bundles.record(starter.name, "2026", {})
    (starter.directory / "manifest.json").write_text("torn", encoding="utf-8")
    messages.put(Stop())
    assert not wait.wait(registry, prepare)
    assert f"waiting for the bundle {starter.name}: " in caplog.text


def test_it_takes_over_the_bundle_of_the_main_service(
    catalogue: Catalogue, access: ServiceAccess, small: Path, tmp_path: Path
) -> None:
    registry = tmp_path / "bundles"
    of_main = main_with(small, catalogue)
    wait = BundleWait(catalogue, access, cast("MessageQueue", SimpleQueue()), Notifier())
    fitted = partial(prepare, feature_key=HEARING)
    with pytest.raises(BundleError):
        bundle_of_main(registry, catalogue, published)
    assert wait.wait(registry, fitted)
    found = bundle_of_main(registry, catalogue, fitted)
    assert found is not None
    # Predictions are recorded under the name that all services know.
    assert found.name == of_main.name
    assert found.directory.name.startswith("shared-")
    assert access.has(tmp_path)
    # A bundle here that has the same name, but has learned something else, is none of the main one.
    files = load_bundle(registry, fitted)[1].files
    there = shared_files(catalogue, of_main.name)
    assert there is not None
    manifest = authenticated(small)[0]
    learned = [files, files | {TABLE: "0" * 64}, files | {PERSONAL: "0" * 64}]
    alike = [there.are_those_of(manifest.model_copy(update={"files": each})) for each in learned]
    assert alike == [True, False, False]


def test_a_bundle_that_was_copied_here_is_not_fitted_again(
    catalogue: Catalogue, access: ServiceAccess, small: Path, tmp_path: Path
) -> None:
    of_main = main_with(small, catalogue)
    prepared = partial(prepare, feature_key=HEARING)
    publish(tmp_path, of_main.name, feature_key=HEARING)
    wait = BundleWait(catalogue, access, cast("MessageQueue", SimpleQueue()), Notifier())
    assert wait.wait(tmp_path, prepared)
    assert bundle_of_main(tmp_path, catalogue, prepared) == of_main


def test_what_is_no_bundle_in_the_catalogue_is_told_and_waited_for(
    catalogue: Catalogue,
    access: ServiceAccess,
    small: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    of_main = main_with(small, catalogue)
    catalogue.bundles.share(of_main.name, {MANIFEST: b"torn"})
    messages = cast("MessageQueue", SimpleQueue())
    messages.put(Reload())
    messages.put(Stop())
    wait = BundleWait(catalogue, access, messages, Notifier())
    assert not wait.wait(tmp_path / "bundles", partial(prepare, feature_key=HEARING))
    assert "manifest.json is not JSON" in caplog.text


def test_a_catalogue_in_a_file_has_no_other_services(small: Path, tmp_path: Path) -> None:
    with closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.db")) as alone:
        main_with(small, alone)
        assert alone.bundles.published() == "small-1"


def test_what_it_is_told_while_it_waits_is_not_lost(
    catalogue: Catalogue, access: ServiceAccess, tmp_path: Path
) -> None:
    registry, messages = tmp_path / "bundles", cast("MessageQueue", SimpleQueue())
    starter = load_published(registry, catalogue, prepare)
    catalogue.bundles.record("another", "2026", {})
    messages.put(Reload())
    told = Notifier()
    # It tells the supervisor of the reload while it waits, when the bundle comes.
    told.reloading = lambda: catalogue.bundles.record(starter.name, "2026", {})  # type: ignore[method-assign]
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
    catalogue.bundles.record("another", "2026", {})
    with pytest.raises(RoleChanged):
        follower.check()
    assert pipeline.bundle == starter


def test_a_connection_that_breaks_while_a_bundle_is_read_is_tried_again(
    catalogue: Catalogue,
    access: ServiceAccess,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = tmp_path / "bundles"
    of_main = main_with(small, catalogue)
    messages = cast("MessageQueue", SimpleQueue())
    wait = BundleWait(catalogue, access, messages, Notifier())

    def broken(*_: object) -> None:
        monkeypatch.undo()
        messages.put(CheckFolders())
        raise CatalogueError("server closed the connection unexpectedly")

    monkeypatch.setattr(bundle_follower, "take_over", broken)
    assert wait.wait(registry, partial(prepare, feature_key=HEARING))
    found = bundle_of_main(registry, catalogue, partial(prepare, feature_key=HEARING))
    assert found is not None
    assert found.name == of_main.name


def test_a_bundle_that_cannot_be_fitted_is_tried_again_after_longer_and_longer_pauses(
    catalogue: Catalogue, access: ServiceAccess, small: Path, tmp_path: Path
) -> None:
    main_with(small, catalogue)
    messages = cast("MessageQueue", SimpleQueue())
    now_s, attempts_s, is_mended = 0.0, list[float](), False

    def each_2_s() -> float:
        return now_s

    def fails(registry: Path, name: str | None = None) -> tuple[Path, Manifest]:
        if is_mended:
            return prepare(registry, name, feature_key=HEARING)
        if name is not None:
            attempts_s.append(now_s)
        raise BundleError("no space left")

    wait = BundleWait(catalogue, access, messages, Notifier(), each_2_s)
    registry = tmp_path / "bundles"
    while now_s < 1600:
        messages.put(Stop())
        assert not wait.wait(registry, fails)
        now_s += 2
    pauses_s = np.diff(attempts_s)
    assert pauses_s.tolist() == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert not list(registry.glob("shared-*"))
    # What is published here by hand is tried at once.
    is_mended = True
    publish(tmp_path, "small-1", feature_key=HEARING)
    assert wait.wait(tmp_path, fails)
