"""Odd and hostile bundle directories: one plain reason each, and nothing is unpickled.

Each layout starts from a published bundle of somebody else: its checksums are right, and its pickle
leaves a file behind when it is unpickled.
"""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.trainer.bundles.made_bundles import (
    Trap,
    pristine,
    replace_file,
    rewrite_manifest,
    sign,
    small,
)
from tests.trainer.regression.rated import HEARING, small_table
from trainer.bundles import registry
from trainer.bundles.bundle import MANIFEST, REGRESSION, TABLE, authenticated, load
from trainer.bundles.installation_key import CODE, KEY, code_of, make_key, read_key
from trainer.trainer_errors import BundleError, BundleOutdated, BundleUntrusted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], object]

__all__ = ["pristine", "small"]  # fixtures, which pytest finds by name

NOT_OURS = "this installation did not write its fitted regression"


@dataclass(frozen=True)
class Foreign:
    """A registry whose published bundle is somebody else's, and a trap in its pickle."""

    registry: Path
    bundle: Path
    sprung: Path

    @property
    def elsewhere(self) -> Path:
        return self.registry.parent.parent / "elsewhere"


@pytest.fixture
def foreign(small: Path, tmp_path: Path) -> Foreign:
    registry_dir = tmp_path / "state" / "bundles"
    registry.install_starter(registry_dir, shipped=small, feature_key=HEARING)
    registry.publish(registry_dir, "small-1", feature_key=HEARING)
    bundle = registry_dir / "small-1"
    (tmp_path / "elsewhere").mkdir()
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    replace_file(bundle, REGRESSION, trap, signed=False)
    (bundle / CODE).unlink()
    return Foreign(registry_dir, bundle, tmp_path / "sprung")


def linked(name: str) -> Change:
    """Return a change that replaces a file by a symbolic link to it."""

    def change(bundle: Path) -> None:
        away = bundle.parent.parent.parent / "elsewhere" / name
        if (bundle / name).exists():
            (bundle / name).rename(away)
        (bundle / name).symlink_to(away)

    return change


def replaced(name: str, make: Callable[[Path], object]) -> Change:
    def change(bundle: Path) -> None:
        (bundle / name).unlink(missing_ok=True)
        make(bundle / name)

    return change


def manifest(**said: Any) -> Change:
    return lambda bundle: rewrite_manifest(bundle, partial(dict.update, **said), signed=False)


def as_text(edit: Callable[[str], str]) -> Change:
    def change(bundle: Path) -> None:
        (bundle / MANIFEST).write_text(edit((bundle / MANIFEST).read_text()))

    return change


def sparse(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 300 << 20)


def writable_for_all(path: Path) -> None:
    path.touch()
    path.chmod(0o666)


def hard_linked(bundle: Path) -> None:
    away = bundle.parent.parent.parent / "elsewhere" / REGRESSION
    os.link(bundle / REGRESSION, away)


def names_a_path(bundle: Path) -> None:
    rewrite_manifest(
        bundle, lambda document: document["files"].update({"../../evil": "0" * 64}), signed=False
    )


def code_of_another_bundle(bundle: Path) -> None:
    other = json.dumps(json.loads((bundle / MANIFEST).read_bytes()) | {"name": "small-2"})
    (bundle / CODE).write_bytes(code_of(make_key(bundle.parent), other.encode()))


def code_of_another_installation(bundle: Path) -> None:
    elsewhere = bundle.parent.parent.parent / "elsewhere" / "bundles"
    key = make_key(elsewhere)
    assert key != read_key(bundle.parent)
    (bundle / CODE).write_bytes(code_of(key, (bundle / MANIFEST).read_bytes()))


def signed_by_a_key_that_others_could_read(bundle: Path) -> None:
    sign(bundle)
    (bundle.parent.parent / KEY).chmod(0o644)


def extra_files(bundle: Path) -> None:
    trap = pickle.dumps(Trap(bundle.parent.parent.parent / "sprung"))
    for name in ("extra.joblib", "model.pkl", ".model.joblib", "listener.npz"):
        (bundle / name).write_bytes(trap)
    (bundle / "sitecustomize.py").write_text("open('sprung', 'w')")


OUTDATED: dict[str, tuple[Change, str]] = {
    "all checksums right": (lambda _: None, NOT_OURS),
    "no pickle": (lambda bundle: (bundle / REGRESSION).unlink(), "it holds no fitted regression"),
    "code of another bundle": (code_of_another_bundle, NOT_OURS),
    "code of another installation": (code_of_another_installation, NOT_OURS),
    "code is empty": (lambda bundle: (bundle / CODE).touch(0o600), NOT_OURS),
    "key readable for others": (signed_by_a_key_that_others_could_read, NOT_OURS),
    "extra files": (extra_files, NOT_OURS),
    "hard link": (hard_linked, NOT_OURS),
    "future layout": (manifest(layout=99), "versions changed since it was fitted"),
}

REFUSED: dict[str, tuple[Change, str]] = {
    "no manifest": (lambda bundle: (bundle / MANIFEST).unlink(), "cannot be opened"),
    "no table": (lambda bundle: (bundle / TABLE).unlink(), "cannot be opened"),
    "manifest is a link": (linked(MANIFEST), "cannot be opened"),
    "table is a link": (linked(TABLE), "cannot be opened"),
    "pickle is a link": (linked(REGRESSION), "cannot be opened"),
    "code is a link": (linked(CODE), "cannot be opened"),
    "pickle is a pipe": (replaced(REGRESSION, os.mkfifo), "not a regular file"),
    "code is a pipe": (replaced(CODE, os.mkfifo), "not a regular file"),
    "manifest is a folder": (replaced(MANIFEST, os.mkdir), "not a regular file"),
    "huge table": (replaced(TABLE, sparse), "more than any bundle holds"),
    "huge pickle": (replaced(REGRESSION, sparse), "more than any bundle holds"),
    "a path in the manifest": (names_a_path, r"manifest\.json, files"),
    "a key twice": (as_text(lambda text: '{"seed": 1, ' + text[1:]), "a key occurs twice"),
    "not JSON": (as_text(lambda text: text[:-2]), "not JSON"),
    "deep JSON": (as_text(lambda text: text[:1] + '"deep": ' + "[" * 100_000), "not JSON"),
    "wrong checksum": (
        lambda bundle: (bundle / REGRESSION).write_bytes(b"other"),
        "differs from its checksum",
    ),
    "future format": (manifest(format=2), "bundle format 2"),
    "another name": (manifest(name="small-2"), "that of a bundle 'small-2'"),
    "a name with a path": (manifest(name="../../etc"), r"manifest\.json, name"),
    "pickle writable for all": (
        lambda bundle: (bundle / REGRESSION).chmod(0o666),
        "others may write",
    ),
    "code writable for all": (replaced(CODE, writable_for_all), "others may write"),
    "folder writable for the group": (lambda bundle: bundle.chmod(0o770), "others may write"),
}  # fmt: skip


@pytest.mark.parametrize("layout", OUTDATED)
def test_a_bundle_of_somebody_else_is_fitted_again(foreign: Foreign, layout: str) -> None:
    change, reason = OUTDATED[layout]
    change(foreign.bundle)
    with pytest.raises(BundleOutdated, match=reason) as caught:
        load(foreign.bundle, feature_key=HEARING)
    assert "\n" not in str(caught.value)
    listed = registry.list_bundles(foreign.registry, feature_key=HEARING)
    assert not isinstance(listed["small-1"], BundleError)
    directory, _ = registry.prepare(foreign.registry, feature_key=HEARING)
    assert directory.name == "small-1.refit-1"
    load(directory, feature_key=HEARING).predict(small_table().vectors)
    # Fitted once, not at every start.
    assert registry.prepare(foreign.registry, feature_key=HEARING)[0] == directory
    assert registry.previous(foreign.registry) is None
    assert not foreign.sprung.exists()


@pytest.mark.parametrize("layout", REFUSED)
def test_an_odd_bundle_is_refused_in_one_line(foreign: Foreign, layout: str) -> None:
    change, reason = REFUSED[layout]
    change(foreign.bundle)
    for use in (partial(load, foreign.bundle), partial(registry.prepare, foreign.registry),
                partial(registry.publish, foreign.registry, "small-1")):  # fmt: skip
        with pytest.raises(BundleError, match=reason) as caught:
            use(feature_key=HEARING)
        assert "\n" not in str(caught.value)
        assert str(foreign.bundle) in str(caught.value)
    assert registry.published_name(foreign.registry) == "small-1"
    assert not foreign.sprung.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [MANIFEST, REGRESSION, TABLE, "."])
def test_a_bundle_that_others_own_is_refused(foreign: Foreign, name: str) -> None:
    sign(foreign.bundle)
    os.chown(foreign.bundle / name, 12345, -1)
    with pytest.raises(BundleUntrusted, match="belongs to user 12345"):
        registry.prepare(foreign.registry, feature_key=HEARING)
    assert not foreign.sprung.exists()


class TestKey:
    def test_it_is_for_its_owner_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            key = make_key(tmp_path / "bundles")
        finally:
            os.umask(before)
        assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
        assert (len(key), make_key(tmp_path / "bundles")) == (32, key)
        assert [path.name for path in tmp_path.iterdir()] == [KEY]

    @pytest.mark.parametrize("content", [b"", b"short", b"0" * 33])
    def test_a_damaged_one_is_replaced(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / KEY).write_bytes(content)
        (tmp_path / KEY).chmod(0o600)
        assert read_key(tmp_path / "bundles") is None
        assert len(make_key(tmp_path / "bundles")) == 32

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "known").write_bytes(b"0" * 32)
        (tmp_path / "known").chmod(0o600)
        (tmp_path / KEY).symlink_to("known")
        with pytest.raises(BundleUntrusted, match="cannot be read"):
            make_key(tmp_path / "bundles")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_one_of_another_user_is_neither_used_nor_replaced(self, tmp_path: Path) -> None:
        make_key(tmp_path / "bundles")
        os.chown(tmp_path / KEY, 12345, -1)
        with pytest.raises(BundleUntrusted, match="belongs to user 12345"):
            make_key(tmp_path / "bundles")


def test_who_knows_the_digest_needs_no_key(foreign: Foreign, small: Path) -> None:
    digest = authenticated(small)[1]
    (small.parent.parent / KEY).unlink()
    load(small, feature_key=HEARING, digest=digest).predict(small_table().vectors)
    with pytest.raises(BundleOutdated):
        load(foreign.bundle, feature_key=HEARING, digest=digest)
    assert not foreign.sprung.exists()
