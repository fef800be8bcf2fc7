"""A bundle: a fitted regression, the table it was fitted on, and a manifest, in one directory.

Where users have annotated sounds, a personal layer is stored with them. Before anything is used,
every file is checked against its checksum, then the format, the feature settings and the versions
of libraries. Only then is anything unpickled, only the very bytes that were checked, and only if
this installation wrote them: `manifest.hmac` is a code of the manifest by the installation's key.
A bundle without that code is fitted again from its table.

Nothing here imports scikit-learn or NumPy before a bundle is loaded or fitted, so a process that
only verifies stays small.
"""

from __future__ import annotations

import hashlib
import io
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainer.bundles.bundle_manifest import (
    LAYOUT,
    Manifest,
    decode_manifest,
    library_versions,
    require_features,
    require_versions,
)
from trainer.bundles.installation_key import CODE, code_of, make_key, require_ours
from trainer.files.atomic_dir import write_files
from trainer.files.trusted_read import read_files
from trainer.trainer_errors import BundleCorrupt, BundleOutdated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.personal.layer import PersonalLayer
    from trainer.regression.joint import JointRegression, Predictions
    from trainer.regression.training_table import TrainingTable

MANIFEST: Final = "manifest.json"
REGRESSION: Final = "model.joblib"
TABLE: Final = "table.npz"
PERSONAL: Final = "listener.npz"

SHIPPED: Final = Path(__file__).parent / "starter-6"
"""The starter bundle inside the package."""

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
            vectors: shape (clips, 6457), float32, extracted under the manifest's settings.

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        vectors = self._checked(vectors)
        if self.personal is None:
            return self.regression.predict_all(vectors)
        scores = self.normal_scores(vectors)
        return self.personal.adjust(self.regression.predict_all(vectors, scores), scores)

    def normal_scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where each descriptor stands among the clips that set the scale.

        Args and errors are those of `predict`.

        Returns:
            Shape (clips, descriptors), in [-3, 3].
        """
        return self.regression.kernel_.scores_of(self._checked(vectors))

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np  # noqa: PLC0415 - see the top of the module

        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.manifest.features:  # noqa: PLR2004
            raise ValueError(f"vectors must have shape (clips, {self.manifest.features})")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors must be finite")
        return vectors


def read_bundle(
    directory: Path,
    feature_key: str | None = None,
    *,
    guarded: bool = True,
    fitted: bool = False,
    digest: str | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the checked bytes of every file, unpickling nothing.

    Args:
        directory: of the bundle.
        feature_key: key of the feature settings it must be fitted on; the canonical one if None.
        guarded: whether to require that nobody but us and root could have written it, and its
            pickle nobody but this installation.
        fitted: whether to return the pickle, too; without it, nothing is required of the pickle,
            since the table of an outdated bundle is as good as ever.
        digest: of a manifest that `authenticated` returned; instead of the installation's key.

    Raises:
        BundleMissing: the directory does not exist.
        BundleCorrupt: a file is absent or differs from its checksum.
        BundleUntrusted: somebody else could have written it.
        BundleIncompatible: another format or other feature settings.
        BundleOutdated: `fitted`, and the pickle is absent, of another installation, of other
            versions of libraries or of another code layout; `refit` helps.
    """
    content = read_files(directory, (MANIFEST, TABLE), guarded=guarded)
    manifest = decode_manifest(content[MANIFEST], str(directory))
    if guarded and manifest.name != directory.resolve().name:
        raise BundleCorrupt(f"{directory}: its manifest is that of a bundle '{manifest.name}'")
    if PERSONAL in manifest.files:
        content |= read_files(directory, (PERSONAL,), guarded=guarded)
    _require_checksums(directory, manifest, content)
    if feature_key is None:
        from trainer.features.extract import CANONICAL  # noqa: PLC0415 - it imports the decoder

        feature_key = CANONICAL.key
    require_features(manifest, feature_key, str(directory))
    if fitted:
        pickle = read_files(directory, (), guarded=guarded, optional=(REGRESSION,))
        _require_checksums(directory, manifest, pickle)
        require_versions(manifest, str(directory))
        if REGRESSION not in pickle:
            raise BundleOutdated(str(directory), "it holds no fitted regression")
        if guarded:
            require_ours(directory, content[MANIFEST], digest)
        content |= pickle
    return manifest, content


def authenticated(directory: Path) -> tuple[Manifest, str]:
    """Return the manifest of a bundle that this installation wrote, and its SHA-256.

    Given the digest, a process that may not read the installation's key can `load` the bundle.

    Raises:
        BundleError: as `read_bundle`; the other files are not read.
    """
    raw = read_files(directory, (MANIFEST,), guarded=True)[MANIFEST]
    manifest = decode_manifest(raw, str(directory))
    require_ours(directory, raw, None)
    return manifest, hashlib.sha256(raw).hexdigest()


def verify(
    directory: Path, *, feature_key: str | None = None, guarded: bool = True, fitted: bool = True
) -> Manifest:
    """Check a bundle without unpickling anything; arguments and errors are those of `read_bundle`.

    Raises:
        BundleError: it cannot be used.
    """
    return read_bundle(directory, feature_key, guarded=guarded, fitted=fitted)[0]


def load(
    directory: Path,
    *,
    feature_key: str | None = None,
    guarded: bool = True,
    digest: str | None = None,
) -> Bundle:
    """Verify a bundle and load it into memory; arguments are those of `read_bundle`.

    Raises:
        BundleError: as `verify`; and BundleCorrupt if the pickle does not hold a regression.
    """
    manifest, content = read_bundle(
        directory, feature_key, guarded=guarded, fitted=True, digest=digest
    )
    from trainer.regression.training_table import decode_table  # noqa: PLC0415 - see the top

    regression = _unpickle(content[REGRESSION], directory)
    regression.attach(decode_table(content[TABLE], str(directory)))
    personal = None
    if PERSONAL in content:
        from trainer.personal.layer_file import decode_layer  # noqa: PLC0415

        source = str(directory / PERSONAL)
        personal = decode_layer(content[PERSONAL], source, manifest.features)
    return Bundle(manifest, regression, personal)


def write_bundle(
    destination: Path,
    draft: Manifest,
    regression: JointRegression,
    table: TrainingTable,
    *,
    registry: Path | None = None,
) -> Manifest:
    """Write a bundle without a personal layer, as `write_content` does."""
    content = {REGRESSION: pickled(regression), TABLE: table.encoded()}
    return write_content(destination, draft, content, registry=registry)


def write_content(
    destination: Path, draft: Manifest, content: dict[str, bytes], *, registry: Path | None = None
) -> Manifest:
    """Write a bundle, which appears complete or not at all.

    Args:
        destination: must not exist; its parent must.
        draft: the manifest; time, versions and checksums are filled in here.
        content: the bytes of every other file.
        registry: what is written counts as written by the installation of this registry. None for
            the bundle that ships inside the package.

    Returns:
        The manifest as written.

    Raises:
        BundleError: the destination exists or cannot be written.
    """
    files = {name: raw for name, raw in content.items() if name not in {MANIFEST, CODE}}
    manifest = draft.model_copy(
        update={
            "layout": LAYOUT,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": library_versions(),
            "python": platform.python_version(),
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
        }
    )
    write_authentic(destination, {**files, MANIFEST: manifest.encoded()}, registry)
    return manifest


def write_authentic(destination: Path, content: dict[str, bytes], registry: Path | None) -> None:
    """Write the files of a bundle, with the code that makes it one of ours if they hold a pickle.

    Raises:
        BundleError: the destination exists or cannot be written.
    """
    if registry is not None and REGRESSION in content:
        content = {**content, CODE: code_of(make_key(registry), content[MANIFEST])}
    write_files(destination, content)


def pickled(regression: JointRegression) -> bytes:
    """Return the bytes of ``model.joblib`` for a fitted regression."""
    import joblib  # noqa: PLC0415 - see the top of the module

    stream = io.BytesIO()
    joblib.dump(regression, stream, compress=("zlib", _PICKLE_COMPRESSION))
    return stream.getvalue()


def _require_checksums(directory: Path, manifest: Manifest, content: dict[str, bytes]) -> None:
    for name, raw in content.items():
        if name != MANIFEST and hashlib.sha256(raw).hexdigest() != manifest.files.get(name):
            raise BundleCorrupt(f"{directory / name}: differs from its checksum in the manifest")


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
