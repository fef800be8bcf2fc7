"""The published bundle outlives the main service, and nobody else replaces it."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from daemon.sharing.bundle_sharing import share, take_over_unknown
from daemon.sharing.service_access import service_access
from daemon.worker.active_bundle import ActiveBundle, load_published
from storage.catalogue import Catalogue
from storage.schema.catalogue_errors import CatalogueBusy
from tests.daemon.sharing.shared_bundles import catalogue, main_with, url
from tests.trainer.bundles.made_bundles import pristine, small
from tests.trainer.regression.rated import HEARING
from trainer.bundles.bundle import MANIFEST, PERSONAL, TABLE, authenticated, read_bundle
from trainer.bundles.registry import install_starter, prepare, publish, published_name
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgresql_server import PostgresqlServer

__all__ = ["catalogue", "pristine", "small", "url"]  # fixtures, which pytest finds by name

_TORN_LAYER = (PERSONAL, b"no layer")

fitted = partial(prepare, feature_key=HEARING)


def test_a_new_main_service_goes_on_with_the_bundle_of_the_former(
    catalogue: Catalogue, small: Path, tmp_path: Path
) -> None:
    registry = tmp_path / "bundles"
    starter = install_starter(registry)
    main_with(small, catalogue)
    take_over_unknown(catalogue, registry, fitted)
    name = published_name(registry) or ""
    assert name.startswith("shared-")
    # What is published instead of it later is a decision of this installation.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("daemon.sharing.bundle_sharing.take_over", lambda *_: pytest.fail("again"))
        publish(registry, starter)
        take_over_unknown(catalogue, registry, fitted)
        assert published_name(registry) == starter


def test_a_bundle_that_cannot_be_fitted_now_is_taken_over_at_a_later_start(
    catalogue: Catalogue, small: Path, tmp_path: Path
) -> None:
    def without_memory(*_: object) -> NoReturn:
        raise BundleError("it needs more memory")

    registry = tmp_path / "bundles"
    main_with(small, catalogue)
    learned = catalogue.bundles.shared_files("small-1")
    for _ in range(2):
        left = take_over_unknown(catalogue, registry, without_memory)
        assert left == "small-1"
        share(catalogue, load_published(registry, catalogue, prepare), beside=left)
        assert catalogue.bundles.published() == published_name(registry)
        assert catalogue.bundles.shared_files("small-1") == learned
    assert take_over_unknown(catalogue, registry, fitted) is None
    here = published_name(registry)
    assert here is not None
    assert here.startswith("shared-")
    manifest, digest = authenticated(registry / here)
    share(catalogue, ActiveBundle(registry / here, manifest.name, HEARING, digest))
    assert catalogue.bundles.shared() == [here]


def test_the_former_main_service_keeps_what_it_published_while_it_was_stopped(
    catalogue: Catalogue, small: Path, tmp_path: Path
) -> None:
    main_with(small, catalogue)
    starter = install_starter(tmp_path)
    publish(tmp_path, starter)
    take_over_unknown(catalogue, tmp_path, fitted)
    assert published_name(tmp_path) == starter


def test_there_may_be_nothing_to_take_over(catalogue: Catalogue, tmp_path: Path) -> None:
    take_over_unknown(catalogue, tmp_path / "bundles", fitted)
    catalogue.bundles.record("another", "2026", {})
    take_over_unknown(catalogue, tmp_path / "bundles", fitted)
    with closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.db")) as alone:
        alone.bundles.record("another", "2026", {})
        take_over_unknown(alone, tmp_path / "bundles", fitted)
    assert not (tmp_path / "bundles").exists()


def test_the_starter_is_not_taken_over(catalogue: Catalogue, tmp_path: Path) -> None:
    share(catalogue, load_published(tmp_path / "former", catalogue, prepare))
    take_over_unknown(catalogue, tmp_path / "bundles", lambda *_: pytest.fail("fitted"))
    assert not (tmp_path / "bundles").exists()


def spoilt(content: dict[str, bytes], how: str) -> dict[str, bytes]:
    """Return the files of a bundle whose checksums are right, and which cannot be used."""
    document: dict[str, Any] = json.loads(content[MANIFEST])
    match how:
        case "unknown recipe":
            document["recipe"]["name"] = "of-a-later-release"
        case "other features":
            document["hearing"] = "other features"
        case _:
            file, damage = (TABLE, content[TABLE][:999]) if how == "torn table" else _TORN_LAYER
            content = content | {file: damage}
            document["files"][file] = hashlib.sha256(damage).hexdigest()
    return content | {MANIFEST: json.dumps(document).encode()}


@pytest.mark.parametrize(
    "how", ["unknown recipe", "other features", "torn table", "torn layer", "no files"]
)
def test_a_bundle_that_cannot_be_used_changes_nothing(
    how: str, catalogue: Catalogue, small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = tmp_path / "bundles"
    starter = install_starter(registry)
    publish(registry, starter)
    main_with(small, catalogue)
    content = read_bundle(small, HEARING)[1]
    shared = {MANIFEST: b"{}"} if how == "no files" else spoilt(content, how)
    catalogue.bundles.share("small-1", shared)
    take_over_unknown(catalogue, registry, fitted)
    assert published_name(registry) == starter
    assert not list(registry.glob("shared-*"))
    told = "the bundle small-1 of the former main service cannot be used: "
    assert sum(each.getMessage().startswith(told) for each in caplog.records) == 1


def test_a_service_that_was_taken_for_dead_publishes_nothing(
    server: PostgresqlServer, url: str, small: Path, tmp_path: Path
) -> None:
    with (
        service_access(url, tmp_path / "one" / "bundles") as one,
        closing(Catalogue(url, service=one.name)) as catalogue,
    ):
        main_with(small, catalogue)
        server.run_sql(url, "DELETE FROM services")
        with service_access(url, tmp_path / "two" / "bundles") as two:
            assert two.is_main
            with closing(Catalogue(url, service=two.name)) as of_two:
                of_two.bundles.record("of-two-1", "2026", {})
                of_two.bundles.share("of-two-1", {MANIFEST: b"of two"})
            with pytest.raises(CatalogueBusy, match="another service is the main one"):
                catalogue.bundles.record("late-1", "2026", {})
            with pytest.raises(CatalogueBusy, match="another service is the main one"):
                catalogue.bundles.share("late-1", {MANIFEST: b"late"})
            assert catalogue.bundles.published() == "of-two-1"
            assert catalogue.bundles.shared_files("of-two-1") == {MANIFEST: b"of two"}
