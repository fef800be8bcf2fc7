"""`valenced bundles`: the bundles that are kept, and what each is worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from daemon.cli.options import FORMAT_HELP, catalogue_url, registry_folder, with_settings
from storage.database.engine import writer_of
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.loading import LoadedSettings
    from trainer.bundles.bundle_manifest import Manifest, ManifestScore
    from trainer.personal.comparison import BundleComparison


@click.group("bundles")
def command() -> None:
    """Show the fitted bundles and their figures."""


@command.command("list")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def list_(loaded: LoadedSettings, *, output: str) -> None:
    """List the bundles that are kept; the one in service is marked."""
    current, kept = _registry(registry_folder(loaded))
    rows = [
        {
            "name": name,
            "in_service": name == current,
            "created_at": None if isinstance(found, BundleError) else found.created_at,
            "problem": str(found) if isinstance(found, BundleError) else None,
            "compared": None if isinstance(found, BundleError) else _verdict(found),
        }
        for name, found in kept.items()
    ]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        mark = "*" if row["in_service"] else " "
        told = f"{row['problem'] or row['created_at']}  {row['compared'] or ''}"
        click.echo(f"{mark} {row['name']}  {told}".rstrip())


@command.command("show")
@click.argument("name", required=False)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def show(loaded: LoadedSettings, *, name: str | None, output: str) -> None:
    """Show the bundle NAME (or the one in service): what it was fitted on, and how good it is."""
    current, kept = _registry(registry_folder(loaded))
    chosen = name or current
    if chosen is None or chosen not in kept:
        raise ValencedError(f"{chosen}: no such bundle; these are kept: {', '.join(kept)}")
    manifest = kept[chosen]
    if isinstance(manifest, BundleError):
        raise manifest
    if output == "json":
        click.echo(json.dumps(manifest.model_dump(), indent=2))
        return
    for line in _lines(manifest):
        click.echo(line)


@command.command("publish")
@click.argument("name")
@with_settings
def publish(loaded: LoadedSettings, *, name: str) -> None:
    """Put the bundle NAME in service, whatever its comparison says."""
    from trainer.bundles import registry  # noqa: PLC0415 - spares every other command the import

    registry.publish(registry_folder(loaded), name)
    _say_when(loaded, name)


@command.command("rollback")
@with_settings
def rollback(loaded: LoadedSettings) -> None:
    """Put the bundle in service again that was so before this one."""
    from trainer.bundles import registry  # noqa: PLC0415

    _say_when(loaded, registry.rollback(registry_folder(loaded)))


def _say_when(loaded: LoadedSettings, name: str) -> None:
    running = writer_of(catalogue_url(loaded))
    when = "within seconds" if running else "at the next run or scan"
    click.echo(f"{name} is in service; every known sound is scored again {when}", err=True)


def _registry(folder: Path) -> tuple[str | None, dict[str, Manifest | BundleError]]:
    """Return the bundles that are kept; where there is none yet, the one that is shipped."""
    from trainer.bundles import bundle, registry  # noqa: PLC0415 - spares every other command

    kept = registry.list_bundles(folder)
    if not kept:
        shipped = bundle.verify(registry.SHIPPED, guarded=False, fitted=False)
        return shipped.name, {shipped.name: shipped}
    try:
        return registry.published_bundle(folder).name, kept
    except BundleError:
        return None, kept


def _verdict(manifest: Manifest) -> str | None:
    return None if manifest.comparison is None else manifest.comparison.verdict


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"{manifest.name}, fitted {manifest.created_at}"
    yield manifest.weakness
    yield ""
    yield "fitted on"
    for part in manifest.fitted_on:
        yield f"  {part.clips:>5} {part.domain} clips of {part.corpus}: {part.licence}"
    yield ""
    yield "cross-validated by groups, with 95 % intervals"
    yield f"  {'part':<14} {'':<8} {'R2':>18} {'RMSE':>18} {'MAE':>18} {'CCC':>18}  covered"
    for held in manifest.held_out:
        figures = "".join(f" {_figure(figure):>18}" for figure in _figures(held))
        yield f"  {held.part:<14} {held.dimension:<8}{figures}  {held.coverage:.0%}"
    yield ""
    if manifest.comparison is not None:
        yield from _compared(manifest.comparison)
        yield ""
    yield f"intervals are meant to cover {manifest.interval_level:.0%}; heard as {manifest.hearing}"


def _compared(comparison: BundleComparison) -> Iterator[str]:
    yield f"compared with {comparison.yardstick} on held-out annotations"
    for dim in comparison.dimensions:
        yield f"  {dim.verdict}"
    if comparison.corpora is not None:
        yield f"  corpora: {comparison.corpora.verdict}"


def _figures(held: Any) -> tuple[ManifestScore, ...]:
    return held.r2, held.rmse, held.mae, held.ccc


def _figure(figure: ManifestScore) -> str:
    if figure.value is None:
        return "-"
    return f"{figure.value:.2f} ({figure.low:.2f}…{figure.high:.2f})"
