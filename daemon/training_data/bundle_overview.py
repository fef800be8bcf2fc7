"""Which bundles there are, and what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.bundles import bundle, registry
from trainer.trainer_errors import BundleError, BundleOutdated

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest


def bundle_rows(folder: Path) -> list[dict[str, Any]]:
    """Return what `valenced bundles list --format json` prints."""
    current, bundles = bundles_in(folder)
    return [
        {
            "name": name,
            "in_service": name == current,
            "created_at": None if isinstance(found, BundleError) else found.created_at,
            "problem": str(found) if isinstance(found, BundleError) else None,
            "compared": None
            if isinstance(found, BundleError) or found.comparison is None
            else found.comparison.verdict,
        }
        for name, found in bundles.items()
    ]


def bundles_in(folder: Path) -> tuple[str | None, dict[str, Manifest | BundleError]]:
    """Return the published bundle's name and all bundles; before the first run, the shipped one."""
    bundles = registry.list_bundles(folder)
    if not bundles:
        shipped = bundle.verify(bundle.SHIPPED, guarded=False, fitted=False)
        return shipped.name, {shipped.name: shipped}
    try:
        return registry.published_bundle(folder).name, bundles
    except BundleOutdated:
        # The next start fits it again.
        return registry.published_name(folder), bundles
    except BundleError:
        return None, bundles
