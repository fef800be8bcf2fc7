"""The manifest of a bundle, and whether this installation can use what it describes."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.personal.comparison import BundleComparison  # noqa: TC001 - pydantic uses it at run time
from trainer.trainer_errors import (
    BundleCorrupt,
    BundleIncompatible,
    BundleOfOtherFeatures,
    BundleOutdated,
)

FORMAT: Final = 1
"""Grows when a bundle's files change their meaning. 1: the first."""

LAYOUT: Final = 6
"""Grows when the classes in ``model.joblib`` move or have other fields. 1: a manifest without it.

A bundle of another layout, older or newer, is fitted again from its table: the format says what
the table means, the layout only where the pickled classes are.
"""

NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
"""What a bundle may be called."""

REFIT_ON: Final = ("scikit-learn", "numpy", "scipy")
"""Libraries whose other versions make a pickle unsafe to load; the bundle is then fitted again."""

_NAMED: Final = (*REFIT_ON, "joblib", "opensmile", "av", "valenced")


_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FittedOn(_Part):
    """A corpus, or its part in one domain, that the bundle was fitted on."""

    corpus: str
    domain: Literal["music", "voice", "sound"]
    clips: int
    groups: int
    weight: float
    licence: str


class FitRecipe(_Part):
    """How the bundle was fitted: enough to fit it again from its table."""

    name: str
    settings: dict[str, float | int]


class ManifestScore(_Part):
    """A score and its 95 % bootstrap interval; all three None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class HeldOutScores(_Part):
    """Cross-validated scores of one dimension on one part of the corpora.

    `coverage` is the share of held-out ratings inside the prediction interval, `width` its mean
    width.
    """

    part: str
    dimension: Literal["arousal", "valence"]
    clips: int
    groups: int
    r2: ManifestScore
    rmse: ManifestScore
    mae: ManifestScore
    ccc: ManifestScore
    spearman: ManifestScore
    coverage: float
    width: float


class Manifest(_Part):
    """All of ``manifest.json``."""

    format: int
    layout: int = 1
    name: str = Field(pattern=rf"^{NAME}$")
    created_at: str
    fitted_on: list[FittedOn]
    hearing: str
    features: int
    versions: dict[str, str]
    python: str
    seed: int
    recipe: FitRecipe
    files: dict[_FileName, str]
    held_out: list[HeldOutScores]
    interval_level: float
    weakness: str
    refitted_from: dict[str, str] | None = None
    comparison: BundleComparison | None = None

    def encoded(self) -> bytes:
        """Return the manifest as indented UTF-8 JSON."""
        return (json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n").encode()


def decode_manifest(content: bytes, source: str) -> Manifest:
    """Read a manifest: the format first, since nothing else of another format can be relied on.

    Args:
        content: the bytes of ``manifest.json``.
        source: names the bundle in an error.

    Raises:
        BundleCorrupt: this is not a manifest.
        BundleIncompatible: the manifest is of another format.
    """
    try:
        document = json.loads(
            content, object_pairs_hook=_without_duplicates, parse_constant=_not_a_number
        )
        # Half of a pair of surrogates could be read, but never be written again.
        json.dumps(document, ensure_ascii=False).encode()
    except BundleCorrupt as error:
        raise BundleCorrupt(f"{source}: manifest.json, {error}") from error
    except (ValueError, RecursionError) as error:
        raise BundleCorrupt(f"{source}: manifest.json is not JSON") from error
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(found, int):
        raise BundleCorrupt(f"{source}: manifest.json names no format")
    if found != FORMAT:
        raise BundleIncompatible(
            f"{source}: bundle format {found}; this version of valenced reads format {FORMAT}"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BundleCorrupt(f"{source}: manifest.json, {key}: {first['msg']}") from error


def _not_a_number(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Of two values, another reader may believe the other one.
    document = dict(pairs)
    if len(document) != len(pairs):
        raise BundleCorrupt("a key occurs twice")
    return document


def require_features(manifest: Manifest, feature_key: str, source: str) -> None:
    """Refuse a bundle that was fitted on other features than ours.

    Raises:
        BundleOfOtherFeatures: the keys differ.
    """
    if manifest.hearing != feature_key:
        raise BundleOfOtherFeatures(
            f"{source}: fitted on features '{manifest.hearing}', but this version of valenced "
            f"extracts '{feature_key}'"
        )


def require_versions(manifest: Manifest, source: str) -> None:
    """Refuse a bundle whose pickle was made under another code layout or other libraries.

    Raises:
        BundleOutdated: naming what changed, with both versions.
    """
    ours = library_versions()
    changed = [f"code layout {manifest.layout} -> {LAYOUT}"] if manifest.layout != LAYOUT else []
    changed += [
        f"{name} {manifest.versions.get(name, 'unknown')} -> {ours[name]}"
        for name in REFIT_ON
        if manifest.versions.get(name) != ours[name]
    ]
    if changed:
        raise BundleOutdated(source, f"versions changed since it was fitted: {', '.join(changed)}")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that can change a bundle, without importing them."""
    return {name: _version(name) for name in _NAMED}


@cache
def _version(library: str) -> str:
    # Each look-up parses the metadata of a package, and a first start makes twenty.
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
