"""A bundle: a fitted regression, the table it was fitted on, and a manifest, in one directory.

Where people have taught it, a listener layer lies beside them. The manifest is believed first, then
checked: every file against its checksum, the format, the hearing, the libraries. Only then is
anything unpickled, and only the very bytes that were checked. Nothing here imports scikit-learn
before a bundle is loaded or fitted, so a process that only verifies stays small.
"""

from __future__ import annotations

import hashlib
import io
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from trainer.bundles.bundle_manifest import (
    LAYOUT,
    BundleOutdated,
    Manifest,
    decode_manifest,
    demand_feature_key,
    demand_versions,
    library_versions,
    python_version,
)
from trainer.files.atomic_dir import write_files
from trainer.files.trusted_read import read_files
from trainer.trainer_errors import BundleCorrupt, BundleIncompatible

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trainer.personal.layer import PersonalLayer
    from trainer.regression.joint import JointRegression, Predictions
    from trainer.regression.training_table import TrainingTable

log = logging.getLogger(__name__)

MANIFEST: Final = "manifest.json"
REGRESSION: Final = "model.joblib"
TABLE: Final = "table.npz"
PERSONAL: Final = "listener.npz"

# zlib's middle way: the pickle is mostly quantiles, which more effort does not make smaller.
_PICKLE_COMPRESSION: Final = 6

__all__ = ["Bundle", "BundleOutdated", "Manifest", "load", "refit", "verify", "write_bundle"]


class Bundle:
    """A bundle in memory, ready to predict.

    Attributes:
        name: its name, unique in a registry.
        manifest: what it says of itself.
        regression: what was fitted on the corpora.
        listener: what the people of this library feel differently; None if nothing is known.
    """

    def __init__(
        self, manifest: Manifest, regression: JointRegression, listener: PersonalLayer | None = None
    ) -> None:
        self.name = manifest.name
        self.manifest = manifest
        self.regression = regression
        self.personal = listener

    def predict(self, vectors: NDArray[np.float32]) -> Predictions:
        """Predict affect, intervals and novelty, for its listeners if it has any.

        Args:
            vectors: shape (clips, 6439), float32, heard as the manifest says.

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        scores = self.normal_scores(vectors)
        said = self.regression.predict_all(self._demand_vectors(vectors), scores)
        return said if self.personal is None else self.personal.adjust(said, scores)

    def normal_scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where each descriptor stands among the clips that set the music expert's scale.

        Args:
            vectors: shape (clips, 6439), float32, heard as the manifest says.

        Returns:
            Shape (clips, descriptors), in [-3, 3].

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        return self.regression.experts_.music.scale.scores(self._demand_vectors(vectors))

    def _demand_vectors(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np  # noqa: PLC0415 - see the top of the module

        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.manifest.features:  # noqa: PLR2004
            raise ValueError(f"vectors must have shape (clips, {self.manifest.features})")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors must be finite")
        return vectors


def verify(
    directory: Path, *, feature_key: str | None = None, guarded: bool = True, fitted: bool = True
) -> Manifest:
    """Check a bundle without unpickling anything.

    Args:
        directory: of the bundle.
        feature_key: key of its feature settings; the canonical one if not given.
        guarded: whether to demand that nobody but us and root could have written it.
        fitted: whether the pickle shall be usable; the table of an outdated bundle still is.

    Raises:
        BundleMissing: the directory does not exist.
        BundleCorrupt: a file is absent or is not what its checksum says.
        BundleUntrusted: somebody else could have written it.
        BundleIncompatible: another format or hearing.
        BundleOutdated: other versions of libraries or code layout; `refit` helps.
    """
    manifest, _ = _checked(directory, feature_key, guarded=guarded)
    if fitted:
        demand_versions(manifest, str(directory))
    return manifest


def load(directory: Path, *, feature_key: str | None = None, guarded: bool = True) -> Bundle:
    """Verify a bundle and bring it into memory.

    Raises:
        BundleError: as `verify`; and BundleCorrupt if the pickle does not hold a regression.
    """
    manifest, content = _checked(directory, feature_key, guarded=guarded)
    demand_versions(manifest, str(directory))
    from trainer.regression.training_table import decode_table  # noqa: PLC0415 - see the top of the module

    regression = _unpickled(content[REGRESSION], directory)
    regression.attach(decode_table(content[TABLE], str(directory)))
    return Bundle(manifest, regression, _listener(content, manifest, directory))


def refit(
    directory: Path,
    destination: Path,
    *,
    name: str,
    feature_key: str | None = None,
    guarded: bool = True,
) -> Manifest:
    """Fit a bundle again from its own table and recipe, unpickling nothing.

    A listener layer is taken over as it is: the new fit predicts to within 1e-4 what the old did.

    Args:
        directory: the bundle whose pickle has become doubtful.
        destination: where the new bundle is to be; must not exist.
        name: of the new bundle.
        feature_key: as for `verify`.
        guarded: as for `verify`.

    Raises:
        BundleError: as `verify`, apart from BundleOutdated; or the recipe is not ours.
        TrainingError: the fit fails.
    """
    old, content = _checked(directory, feature_key, guarded=guarded)
    from trainer.regression.joint import RECIPE, regression_from  # noqa: PLC0415 - see the top
    from trainer.regression.training_table import decode_table  # noqa: PLC0415

    if old.recipe.name != RECIPE:
        raise BundleIncompatible(
            f"{directory}: fitted by the recipe '{old.recipe.name}'; this version knows '{RECIPE}'"
        )
    table = decode_table(content[TABLE], str(directory))
    regression = regression_from(old.recipe.settings).fit(table)
    draft = old.model_copy(
        update={"name": name, "refitted_from": {"name": old.name} | old.versions}
    )
    fitted = {**content, REGRESSION: pickled(regression)}
    manifest = write_content(destination, draft, fitted)
    log.warning(
        "bundle %s fitted again from its table as %s, because versions changed", old.name, name
    )
    return manifest


def write_bundle(
    destination: Path, draft: Manifest, regression: JointRegression, table: TrainingTable
) -> Manifest:
    """Write a bundle without a listener layer.

    Args:
        destination: as for `write_content`.
        draft: likewise.
        regression: fitted on the table.
        table: what it was fitted on.

    Raises:
        BundleError: the place is taken or cannot be written.
    """
    content = {REGRESSION: pickled(regression), TABLE: table.encoded()}
    return write_content(destination, draft, content)


def write_content(destination: Path, draft: Manifest, content: dict[str, bytes]) -> Manifest:
    """Write a bundle whole or not at all: beside its place first, then renamed into it.

    Args:
        destination: must not exist; its parent must.
        draft: the manifest; time, versions and checksums are filled in here.
        content: the bytes of every other file.

    Returns:
        The manifest as written.

    Raises:
        BundleError: the place is taken or cannot be written.
    """
    parts = {name: raw for name, raw in content.items() if name != MANIFEST}
    manifest = draft.model_copy(
        update={
            "layout": LAYOUT,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": library_versions(),
            "python": python_version(),
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in parts.items()},
        }
    )
    write_files(destination, {**parts, MANIFEST: manifest.encoded()})
    return manifest


def read_bundle_files(
    directory: Path, feature_key: str | None = None, *, guarded: bool
) -> dict[str, bytes]:
    """Return the checked files of a bundle; raise as `verify` does, except BundleOutdated."""
    return _checked(directory, feature_key, guarded=guarded)[1]


def _checked(
    directory: Path, feature_key: str | None, *, guarded: bool
) -> tuple[Manifest, dict[str, bytes]]:
    place = str(directory)
    content = read_files(directory, (MANIFEST, REGRESSION, TABLE), guarded=guarded)
    manifest = decode_manifest(content[MANIFEST], place)
    parts = (REGRESSION, TABLE, *({PERSONAL} & set(manifest.files)))
    if PERSONAL in parts:
        content |= read_files(directory, (PERSONAL,), guarded=guarded)
    for name in parts:
        if hashlib.sha256(content[name]).hexdigest() != manifest.files.get(name):
            raise BundleCorrupt(f"{directory / name}: differs from its checksum in the manifest")
    demand_feature_key(manifest, feature_key or _canonical_key(), place)
    return manifest, content


def _canonical_key() -> str:
    from trainer.features.extract import CANONICAL  # noqa: PLC0415 - it brings the decoder with it

    return CANONICAL.key


def pickled(regression: JointRegression) -> bytes:
    """Return the bytes of ``model.joblib`` for a fitted regression."""
    import joblib  # noqa: PLC0415 - see the top of the module

    stream = io.BytesIO()
    joblib.dump(regression, stream, compress=("zlib", _PICKLE_COMPRESSION))
    return stream.getvalue()


def _unpickled(raw: bytes, directory: Path) -> JointRegression:
    import joblib  # noqa: PLC0415 - see the top of the module

    from trainer.regression.joint import JointRegression  # noqa: PLC0415

    try:
        regression = joblib.load(io.BytesIO(raw))
    except Exception as error:
        raise BundleCorrupt(f"{directory / REGRESSION}: cannot be unpickled: {error}") from error
    if not isinstance(regression, JointRegression):
        raise BundleCorrupt(f"{directory / REGRESSION}: holds no regression of ours")
    return regression


def _listener(
    content: dict[str, bytes], manifest: Manifest, directory: Path
) -> PersonalLayer | None:
    if PERSONAL not in content:
        return None
    from trainer.personal.layer_file import decode_layer  # noqa: PLC0415 - see the top of the module

    return decode_layer(content[PERSONAL], str(directory / PERSONAL), manifest.features)
