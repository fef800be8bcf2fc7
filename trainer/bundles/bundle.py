"""A bundle: a fitted regression, the table it was fitted on, and a manifest, in one directory.

Where users have annotated sounds, a personal layer is stored with them. Before anything is used,
every file is checked against its checksum, then the format, the feature settings and the versions
of libraries. Only then is anything unpickled, and only the very bytes that were checked. Nothing
here imports scikit-learn or NumPy before a bundle is loaded or fitted, so a process that only
verifies stays small.
"""

from __future__ import annotations

import hashlib
import io
import logging
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from trainer.bundles.bundle_manifest import (
    LAYOUT,
    Manifest,
    decode_manifest,
    library_versions,
    require_features,
    require_versions,
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

# A middle level of zlib: the pickle is mostly quantiles, which more effort does not make smaller.
_PICKLE_COMPRESSION: Final = 6


class Bundle:
    """A bundle in memory, ready to predict.

    Attributes:
        name: its name, unique in a registry.
        manifest: its description.
        regression: fitted on the corpora.
        personal: the personal layer of this library's users; None if they have annotated nothing.
    """

    def __init__(
        self, manifest: Manifest, regression: JointRegression, personal: PersonalLayer | None = None
    ) -> None:
        self.name = manifest.name
        self.manifest = manifest
        self.regression = regression
        self.personal = personal

    def predict(self, vectors: NDArray[np.float32]) -> Predictions:
        """Predict affect, intervals and novelty, with the personal layer if there is one.

        Args:
            vectors: shape (clips, 6439), float32, extracted under the manifest's settings.

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        vectors = self._checked(vectors)
        scores = self.normal_scores(vectors)
        predicted = self.regression.predict_all(vectors, scores)
        return predicted if self.personal is None else self.personal.adjust(predicted, scores)

    def normal_scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where each descriptor stands among the clips that set the music expert's scale.

        Args and errors are those of `predict`.

        Returns:
            Shape (clips, descriptors), in [-3, 3].
        """
        return self.regression.experts_.music.scale.scores(self._checked(vectors))

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np  # noqa: PLC0415 - see the top of the module

        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.manifest.features:  # noqa: PLR2004
            raise ValueError(f"vectors must have shape (clips, {self.manifest.features})")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors must be finite")
        return vectors


def read_bundle(
    directory: Path, feature_key: str | None = None, *, guarded: bool = True
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the checked bytes of every file, unpickling nothing.

    Args:
        directory: of the bundle.
        feature_key: key of the feature settings it must be fitted on; the canonical one if None.
        guarded: whether to require that nobody but us and root could have written it.

    Raises:
        BundleMissing: the directory does not exist.
        BundleCorrupt: a file is absent or differs from its checksum.
        BundleUntrusted: somebody else could have written it.
        BundleIncompatible: another format or other feature settings.
    """
    content = read_files(directory, (MANIFEST, REGRESSION, TABLE), guarded=guarded)
    manifest = decode_manifest(content[MANIFEST], str(directory))
    if PERSONAL in manifest.files:
        content |= read_files(directory, (PERSONAL,), guarded=guarded)
    for name, raw in content.items():
        if name != MANIFEST and hashlib.sha256(raw).hexdigest() != manifest.files.get(name):
            raise BundleCorrupt(f"{directory / name}: differs from its checksum in the manifest")
    if feature_key is None:
        from trainer.features.extract import CANONICAL  # noqa: PLC0415 - it imports the decoder

        feature_key = CANONICAL.key
    require_features(manifest, feature_key, str(directory))
    return manifest, content


def verify(
    directory: Path, *, feature_key: str | None = None, guarded: bool = True, fitted: bool = True
) -> Manifest:
    """Check a bundle without unpickling anything; arguments are those of `read_bundle`.

    The pickle need not be usable if `fitted` is false; the table of an outdated bundle still is.

    Raises:
        BundleOutdated: other versions of libraries or another code layout; `refit` helps.
        BundleError: as `read_bundle`.
    """
    manifest, _ = read_bundle(directory, feature_key, guarded=guarded)
    if fitted:
        require_versions(manifest, str(directory))
    return manifest


def load(directory: Path, *, feature_key: str | None = None, guarded: bool = True) -> Bundle:
    """Verify a bundle and load it into memory.

    Raises:
        BundleError: as `verify`; and BundleCorrupt if the pickle does not hold a regression.
    """
    manifest, content = read_bundle(directory, feature_key, guarded=guarded)
    require_versions(manifest, str(directory))
    from trainer.regression.training_table import decode_table  # noqa: PLC0415 - see the top

    regression = _unpickle(content[REGRESSION], directory)
    regression.attach(decode_table(content[TABLE], str(directory)))
    personal = None
    if PERSONAL in content:
        from trainer.personal.layer_file import decode_layer  # noqa: PLC0415

        source = str(directory / PERSONAL)
        personal = decode_layer(content[PERSONAL], source, manifest.features)
    return Bundle(manifest, regression, personal)


def refit(
    directory: Path, destination: Path, *, feature_key: str | None = None, guarded: bool = True
) -> Manifest:
    """Fit a bundle again from its own table and recipe, unpickling nothing.

    A personal layer is copied: the new fit predicts to within 1e-4 what the old did. The new bundle
    is named after `destination`, which must not exist; other arguments are those of `read_bundle`.

    Raises:
        BundleError: as `read_bundle`; or the recipe is not ours.
        TrainingError: the fit fails.
    """
    old, content = read_bundle(directory, feature_key, guarded=guarded)
    from trainer.regression.joint import RECIPE, regression_from  # noqa: PLC0415 - see the top
    from trainer.regression.training_table import decode_table  # noqa: PLC0415

    if old.recipe.name != RECIPE:
        raise BundleIncompatible(
            f"{directory}: fitted by the recipe '{old.recipe.name}'; this version knows '{RECIPE}'"
        )
    table = decode_table(content[TABLE], str(directory))
    regression = regression_from(old.recipe.settings).fit(table)
    origin = {"name": old.name} | old.versions
    draft = old.model_copy(update={"name": destination.name, "refitted_from": origin})
    fitted = {**content, REGRESSION: pickled(regression)}
    manifest = write_content(destination, draft, fitted)
    log.warning(
        "bundle %s fitted again from its table as %s, because versions changed",
        old.name,
        manifest.name,
    )
    return manifest


def write_bundle(
    destination: Path, draft: Manifest, regression: JointRegression, table: TrainingTable
) -> Manifest:
    """Write a bundle without a personal layer, as `write_content` does."""
    content = {REGRESSION: pickled(regression), TABLE: table.encoded()}
    return write_content(destination, draft, content)


def write_content(destination: Path, draft: Manifest, content: dict[str, bytes]) -> Manifest:
    """Write a bundle, which appears complete or not at all.

    Args:
        destination: must not exist; its parent must.
        draft: the manifest; time, versions and checksums are filled in here.
        content: the bytes of every other file.

    Returns:
        The manifest as written.

    Raises:
        BundleError: the destination exists or cannot be written.
    """
    files = {name: raw for name, raw in content.items() if name != MANIFEST}
    manifest = draft.model_copy(
        update={
            "layout": LAYOUT,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": library_versions(),
            "python": platform.python_version(),
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
        }
    )
    write_files(destination, {**files, MANIFEST: manifest.encoded()})
    return manifest


def pickled(regression: JointRegression) -> bytes:
    """Return the bytes of ``model.joblib`` for a fitted regression."""
    import joblib  # noqa: PLC0415 - see the top of the module

    stream = io.BytesIO()
    joblib.dump(regression, stream, compress=("zlib", _PICKLE_COMPRESSION))
    return stream.getvalue()


def _unpickle(raw: bytes, directory: Path) -> JointRegression:
    import joblib  # noqa: PLC0415 - see the top of the module

    from trainer.regression.joint import JointRegression  # noqa: PLC0415

    try:
        regression = joblib.load(io.BytesIO(raw))
    except Exception as error:
        raise BundleCorrupt(f"{directory / REGRESSION}: cannot be unpickled: {error}") from error
    if not isinstance(regression, JointRegression):
        raise BundleCorrupt(f"{directory / REGRESSION}: does not hold a regression of ours")
    return regression
