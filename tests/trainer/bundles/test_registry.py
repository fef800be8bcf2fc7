from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.trainer.bundles.made_bundles import (
    Trap,
    as_if_fitted_under_another_sklearn,
    pristine,
    replace_file,
    rewrite_manifest,
    small,
)
from tests.trainer.regression.rated import HEARING, small_table
from trainer.bundles import registry
from trainer.bundles.bundle import MANIFEST, REGRESSION, SHIPPED, load
from trainer.bundles.bundle_manifest import LAYOUT, Manifest
from trainer.trainer_errors import (
    BundleCorrupt,
    BundleError,
    BundleIncompatible,
    BundleMissing,
    BundleOutdated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pristine", "small"]  # fixtures, which pytest finds by name


@pytest.fixture
def registry_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "bundles"


VECTORS = small_table(seed=9).vectors


def install(registry_dir: Path, shipped: Path) -> str:
    return registry.install_starter(registry_dir, shipped=shipped, feature_key=HEARING)


def test_the_starter_is_installed_for_its_owner_alone(registry_dir: Path, small: Path) -> None:
    for file in small.iterdir():
        file.chmod(0o664)
    small.chmod(0o775)
    assert install(registry_dir, small) == "small-1"
    assert registry_dir.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (registry_dir / "small-1").iterdir()} == {0o600}


def test_installing_again_changes_nothing(registry_dir: Path, small: Path) -> None:
    install(registry_dir, small)
    before = (registry_dir / "small-1" / REGRESSION).stat().st_ctime_ns
    assert install(registry_dir, small) == "small-1"
    assert (registry_dir / "small-1" / REGRESSION).stat().st_ctime_ns == before


def test_a_damaged_starter_is_not_installed(registry_dir: Path, small: Path) -> None:
    (small / REGRESSION).write_bytes(b"rot")
    with pytest.raises(BundleCorrupt):
        install(registry_dir, small)
    assert registry.list_bundles(registry_dir, feature_key=HEARING) == {}


def test_under_other_libraries_the_starter_is_fitted_again(registry_dir: Path, small: Path) -> None:
    as_if_fitted_under_another_sklearn(small)
    assert install(registry_dir, small) == "small-1.refit-1"
    predicted = load(registry_dir / "small-1.refit-1", feature_key=HEARING).predict(
        small_table().vectors
    )
    assert abs(predicted.arousal).max() <= 1
    # The second start finds the fit that the first one made.
    assert install(registry_dir, small) == "small-1.refit-1"
    assert sorted(registry.list_bundles(registry_dir, feature_key=HEARING)) == [
        "small-1",
        "small-1.refit-1",
    ]


def test_a_bundle_is_published_by_its_name(registry_dir: Path, small: Path) -> None:
    with pytest.raises(BundleMissing):
        registry.published_bundle(registry_dir, feature_key=HEARING)
    install(registry_dir, small)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    assert registry.published_bundle(registry_dir, feature_key=HEARING) == registry_dir / "small-1"
    assert sorted(entry.name for entry in registry_dir.iterdir()) == [
        "current",
        "history",
        "small-1",
    ]


@pytest.mark.parametrize("name", ["none", "../small-1", ".hidden", ""])
def test_what_is_no_bundle_is_not_published(registry_dir: Path, small: Path, name: str) -> None:
    install(registry_dir, small)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    with pytest.raises(BundleError):
        registry.publish(registry_dir, name, feature_key=HEARING)
    assert registry.published_bundle(registry_dir, feature_key=HEARING) == registry_dir / "small-1"


def test_a_link_that_leads_out_of_the_registry_is_not_followed(
    registry_dir: Path, small: Path
) -> None:
    install(registry_dir, small)
    (registry_dir / "current").symlink_to(small)
    with pytest.raises(BundleError, match="not the name of a bundle"):
        registry.published_bundle(registry_dir, feature_key=HEARING)


def test_a_published_bundle_of_other_library_versions_is_replaced(
    registry_dir: Path, small: Path
) -> None:
    install(registry_dir, small)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    as_if_fitted_under_another_sklearn(registry_dir / "small-1")
    assert (
        registry.prepare(registry_dir, feature_key=HEARING)[0] == registry_dir / "small-1.refit-1"
    )
    assert (
        registry.published_bundle(registry_dir, feature_key=HEARING)
        == registry_dir / "small-1.refit-1"
    )


class TestCodeLayout:
    """The manifest says by a number in which modules the pickled classes are."""

    @pytest.fixture
    def predicted(self, registry_dir: Path, small: Path) -> np.ndarray:
        """Publish the small bundle, set a trap in its pickle, return what it predicted."""
        install(registry_dir, small)
        registry.publish(registry_dir, "small-1", feature_key=HEARING)
        before = load(registry_dir / "small-1", feature_key=HEARING).predict(VECTORS)
        replace_file(
            registry_dir / "small-1", REGRESSION, pickle.dumps(Trap(registry_dir.parent / "sprung"))
        )
        return np.stack([before.arousal, before.valence, before.valence_high, before.novelty])

    @pytest.mark.parametrize(
        ("layout", "change"),
        [
            (None, f"code layout 1 -> {LAYOUT}"),
            (LAYOUT + 1, f"code layout {LAYOUT + 1} -> {LAYOUT}"),
        ],
        ids=["of release 0.1.0", "newer"],
    )
    def test_a_published_bundle_of_another_is_fitted_again_without_unpickling(
        self, registry_dir: Path, predicted: np.ndarray, layout: int | None, change: str
    ) -> None:
        def set_layout(document: dict[str, Any]) -> None:
            assert document.pop("layout") == LAYOUT
            document.update({} if layout is None else {"layout": layout})

        rewrite_manifest(registry_dir / "small-1", set_layout)
        with pytest.raises(BundleOutdated) as caught:
            load(registry_dir / "small-1", feature_key=HEARING)
        assert str(caught.value).endswith(f"versions changed since it was fitted: {change}")
        directory, manifest = registry.prepare(registry_dir, feature_key=HEARING)
        assert directory == registry.published_bundle(registry_dir, feature_key=HEARING)
        assert (directory.name, manifest.layout) == ("small-1.refit-1", LAYOUT)
        after = load(directory, feature_key=HEARING).predict(VECTORS)
        found = np.stack([after.arousal, after.valence, after.valence_high, after.novelty])
        np.testing.assert_allclose(found, predicted, atol=1e-4)
        assert not (registry_dir.parent / "sprung").exists()

    def test_a_newer_one_by_an_unknown_recipe_is_refused_in_one_line(
        self, registry_dir: Path, predicted: np.ndarray
    ) -> None:
        assert len(predicted)
        newer = {"layout": LAYOUT + 1, "recipe": {"name": "deep-9", "settings": {}}}
        rewrite_manifest(registry_dir / "small-1", partial(dict.update, **newer))
        with pytest.raises(BundleIncompatible, match="recipe 'deep-9'") as caught:
            registry.prepare(registry_dir, feature_key=HEARING)
        assert "\n" not in str(caught.value)
        assert registry.published_name(registry_dir) == "small-1"
        assert not (registry_dir.parent / "sprung").exists()


def test_a_bundle_of_other_features_gives_way_to_the_starter(
    registry_dir: Path, small: Path
) -> None:
    install(registry_dir, small)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    assert registry.prepare(registry_dir)[0].name.startswith(SHIPPED.name)
    assert (registry_dir / "small-1").is_dir()
    assert registry.previous(registry_dir) == "small-1"


def test_a_damaged_published_bundle_is_not_replaced(registry_dir: Path, small: Path) -> None:
    install(registry_dir, small)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    (registry_dir / "small-1" / REGRESSION).write_bytes(b"rot")
    with pytest.raises(BundleCorrupt):
        registry.prepare(registry_dir, feature_key=HEARING)


def test_the_list_names_the_fault_of_each_bundle(registry_dir: Path, small: Path) -> None:
    install(registry_dir, small)
    rewrite_manifest(small, lambda document: document.update(name="small-2"))
    install(registry_dir, small)
    (registry_dir / "small-2" / MANIFEST).write_text("{")
    (registry_dir / ".small-3.tmp").mkdir()
    listed = registry.list_bundles(registry_dir, feature_key=HEARING)
    assert isinstance(listed["small-1"], Manifest)
    assert isinstance(listed["small-2"], BundleCorrupt)
    assert len(listed) == 2


def installed(registry_dir: Path, small: Path, *names: str) -> None:
    """Put copies of a bundle in service, one after another."""
    for name in names:
        rewrite_manifest(small, partial(dict.update, name=name))
        install(registry_dir, small)
        registry.publish(registry_dir, name, feature_key=HEARING)


class TestRollback:
    def test_the_previous_bundle_returns(self, registry_dir: Path, small: Path) -> None:
        installed(registry_dir, small, "small-1", "small-2", "small-3")
        assert registry.previous(registry_dir) == "small-2"
        assert registry.rollback(registry_dir, feature_key=HEARING) == "small-2"
        assert registry.published_bundle(registry_dir, feature_key=HEARING).name == "small-2"
        assert registry.rollback(registry_dir, feature_key=HEARING) == "small-3"

    def test_publishing_the_same_again_is_no_step(self, registry_dir: Path, small: Path) -> None:
        installed(registry_dir, small, "small-1", "small-2", "small-2")
        assert registry.previous(registry_dir) == "small-1"

    def test_the_first_cannot_be_rolled_back(self, registry_dir: Path, small: Path) -> None:
        assert registry.previous(registry_dir) is None
        installed(registry_dir, small, "small-1")
        with pytest.raises(BundleMissing, match="before 'small-1'"):
            registry.rollback(registry_dir, feature_key=HEARING)
        assert registry.published_bundle(registry_dir, feature_key=HEARING).name == "small-1"

    def test_a_damaged_one_does_not_return(self, registry_dir: Path, small: Path) -> None:
        installed(registry_dir, small, "small-1", "small-2")
        (registry_dir / "small-1" / REGRESSION).write_bytes(b"rot")
        with pytest.raises(BundleCorrupt):
            registry.rollback(registry_dir, feature_key=HEARING)
        assert registry.published_bundle(registry_dir, feature_key=HEARING).name == "small-2"

    def test_killed_between_history_and_link_nothing_has_happened(
        self, registry_dir: Path, small: Path
    ) -> None:
        installed(registry_dir, small, "small-1", "small-2")
        with (registry_dir / "history").open("a") as stream:
            stream.write("small-3\n")
        assert registry.previous(registry_dir) == "small-1"
        registry.publish(registry_dir, "small-1", feature_key=HEARING)
        assert (registry_dir / "history").read_text().split() == ["small-1", "small-2", "small-1"]

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"../../etc\n.hidden\n\n", b"\0" * 99])
    def test_a_history_that_is_none_forgets_but_does_not_fail(
        self, registry_dir: Path, small: Path, content: bytes
    ) -> None:
        installed(registry_dir, small, "small-1", "small-2")
        (registry_dir / "history").write_bytes(content)
        assert registry.previous(registry_dir) is None
        registry.publish(registry_dir, "small-1", feature_key=HEARING)
        assert registry.previous(registry_dir) == "small-2"

    def test_a_bundle_that_expects_another_in_service_is_not_published(
        self, registry_dir: Path, small: Path
    ) -> None:
        installed(registry_dir, small, "small-1", "small-2")
        with pytest.raises(BundleError, match="'small-2' was published meanwhile"):
            registry.publish(registry_dir, "small-1", instead_of="small-1", feature_key=HEARING)
        assert registry.published_bundle(registry_dir, feature_key=HEARING).name == "small-2"


class TestPruning:
    @pytest.fixture
    def full(self, registry_dir: Path, small: Path) -> Path:
        """Return a registry with the starter and seven candidates, of which two were in service."""
        installed(registry_dir, small, "small-1")
        comparison = {
            "yardstick": "small-1", "seed": 1, "folds": 10, "test": "t", "level": 0.01,
            "margin": 0.05, "left_out": 0, "dimensions": [], "corpora": None, "passed": False,
            "verdict": "v",
        }  # fmt: skip
        for number in range(1, 8):
            stamp = f"2026-01-0{number}T00:00:00+00:00"
            named: dict[str, Any] = {
                "name": f"learned-{number}",
                "created_at": stamp,
                "comparison": comparison,
            }
            rewrite_manifest(small, partial(dict.update, **named))
            install(registry_dir, small)
        for name in ("learned-1", "learned-2"):
            registry.publish(registry_dir, name, feature_key=HEARING)
        return registry_dir

    def test_the_latest_stay_and_so_does_what_was_in_service(self, full: Path) -> None:
        assert registry.prune(full, 2, feature_key=HEARING) == [
            "learned-3",
            "learned-4",
            "learned-5",
        ]
        assert sorted(registry.list_bundles(full, feature_key=HEARING)) == [
            "learned-1", "learned-2", "learned-6", "learned-7", "small-1",
        ]  # fmt: skip
        assert registry.rollback(full, feature_key=HEARING) == "learned-1"

    def test_where_there_are_few_nothing_goes(self, full: Path) -> None:
        assert registry.prune(full, 5, feature_key=HEARING) == []

    def test_a_damaged_one_is_left_for_the_operator(self, full: Path) -> None:
        (full / "learned-3" / MANIFEST).write_text("{")
        assert registry.prune(full, 0, feature_key=HEARING) == [
            "learned-4", "learned-5", "learned-6", "learned-7",
        ]  # fmt: skip
        assert (full / "learned-3").is_dir()


@contextmanager
def held_at_rename(
    number: int, call: str, *arguments: Any, feature_key: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a call of the registry in a process that stops before one of its renames."""
    code = (
        "import sys; from itertools import count; from pathlib import Path;"
        "from trainer.bundles import registry; from trainer.files import atomic_dir;"
        "renames = count(1);"
        "sys.addaudithook(lambda event, _: event == 'os.rename'"
        f" and next(renames) == {number} and (print('now', flush=True), sys.stdin.read()));"
        f"registry.{call}(Path(sys.argv[1]), *sys.argv[2:], feature_key={feature_key!r})"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        yield process


@pytest.mark.parametrize("rename", [1, 2])
def test_what_a_killed_publisher_leaves_is_removed_and_a_bundle_is_in_service(
    registry_dir: Path, small: Path, rename: int
) -> None:
    installed(registry_dir, small, "small-1", "small-2")
    with held_at_rename(rename, "publish", registry_dir, "small-1", feature_key=HEARING) as process:
        process.kill()
    assert registry.published_bundle(registry_dir, feature_key=HEARING).name == "small-2"
    assert [entry for entry in registry_dir.iterdir() if entry.name.startswith(".")]
    registry.remove_leftovers(registry_dir)
    assert names(registry_dir) == ["current", "history", "small-1", "small-2"]
    assert registry.previous(registry_dir) == "small-1"


def test_a_bundle_is_removed_although_its_removal_was_killed_before(
    registry_dir: Path, small: Path
) -> None:
    installed(registry_dir, small, "small-1")
    left = registry_dir / registry.STAGING / "small-1"
    left.mkdir(parents=True)
    (left / "table.npz").touch()
    registry.remove(registry_dir, "small-1")
    assert not (registry_dir / "small-1").exists()
    assert not left.exists()


def test_what_is_written_just_now_is_no_litter_until_its_writer_is_killed(
    registry_dir: Path,
) -> None:
    registry_dir.mkdir(mode=0o700, parents=True)
    with held_at_rename(1, "install_starter", registry_dir) as process:
        registry.remove_leftovers(registry_dir)
        assert len(names(registry_dir)) == 1
        process.kill()
    registry.remove_leftovers(registry_dir)
    assert names(registry_dir) == []


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
