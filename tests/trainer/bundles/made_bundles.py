"""Small bundles on disk, fitted once for all tests that look at bundles."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.trainer.regression.rated import small_draft, small_table
from trainer.bundles.bundle import MANIFEST, write_bundle
from trainer.bundles.installation_key import CODE, code_of, make_key
from trainer.regression.joint import JointRegression

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that no test may change."""
    table = small_table()
    directory = tmp_path_factory.mktemp("pristine") / "small-1"
    regression = JointRegression().fit(table)
    write_bundle(directory, small_draft(table), regression, table, registry=directory.parent)
    return directory


@pytest.fixture
def small(pristine: Path, tmp_path: Path) -> Path:
    """Return a bundle that a test may spoil."""
    directory = tmp_path / "small-1"
    shutil.copytree(pristine, directory)
    sign(directory)
    return directory


def sign(directory: Path) -> None:
    """Let a bundle count as written by the installation whose registry it lies in."""
    code = code_of(make_key(directory.parent), (directory / MANIFEST).read_bytes())
    (directory / CODE).write_bytes(code)
    (directory / CODE).chmod(0o600)


def rewrite_manifest(
    directory: Path, change: Callable[[dict[str, Any]], None], *, signed: bool = True
) -> None:
    """Change the manifest of a bundle, as this installation could, or as somebody else."""
    document = json.loads((directory / MANIFEST).read_bytes())
    change(document)
    (directory / MANIFEST).write_text(json.dumps(document))
    if signed:
        sign(directory)


def replace_file(directory: Path, name: str, content: bytes, *, signed: bool = True) -> None:
    """Exchange a file of a bundle and its checksum, as `rewrite_manifest`."""
    (directory / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    update = {name: digest}
    rewrite_manifest(directory, lambda document: document["files"].update(update), signed=signed)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def as_if_fitted_under_another_sklearn(directory: Path) -> None:
    """Let a bundle say that it was fitted under an older scikit-learn."""
    rewrite_manifest(
        directory, lambda document: document["versions"].update({"scikit-learn": "1.0.2"})
    )
