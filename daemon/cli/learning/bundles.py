"""`valenced bundles`: lists, shows and publishes bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import complete_bundle, format_option, settings_options, with_settings
from daemon.cli.output import print_json, say
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.loading import LoadedSettings
    from trainer.bundles.bundle_manifest import HeldOutScores, Manifest, ManifestScore
    from trainer.personal.comparison import BundleComparison


@click.group("bundles", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Show, publish and roll back bundles."""


@command.command("list")
@format_option
@with_settings
def list_(loaded: LoadedSettings, *, output: str) -> None:
    """List the bundles; the published one is marked with *."""
    from daemon.training_data.bundle_overview import bundle_rows

    rows = bundle_rows(loaded.paths.bundles)
    if output == "json":
        print_json(rows)
        return
    for row in rows:
        mark = "*" if row["in_service"] else " "
        text = f"{row['problem'] or row['created_at']}  {row['compared'] or ''}"
        say(f"{mark} {row['name']}  {text}".rstrip())


@command.command("show")
@click.argument("name", required=False, shell_complete=complete_bundle)
@format_option
@with_settings
def show(loaded: LoadedSettings, *, name: str | None, output: str) -> None:
    """Show the training data and the scores of the bundle NAME, or of the published one."""
    from daemon.training_data.bundle_overview import bundles_in

    current, bundles = bundles_in(loaded.paths.bundles)
    chosen = name or current
    if chosen is None or chosen not in bundles:
        raise ValencedError(f"{chosen}: no such bundle; there are: {', '.join(bundles)}")
    manifest = bundles[chosen]
    if isinstance(manifest, BundleError):
        raise manifest
    if output == "json":
        print_json(manifest.model_dump())
        return
    for line in _lines(manifest):
        say(line)


@command.command("publish")
@click.argument("name", shell_complete=complete_bundle)
@with_settings
def publish(loaded: LoadedSettings, *, name: str) -> None:
    """Publish the bundle NAME, whatever the result of its comparison."""
    from trainer.bundles import registry

    _print_published(loaded, registry.publish(loaded.paths.bundles, name).name)


@command.command("rollback")
@with_settings
def rollback(loaded: LoadedSettings) -> None:
    """Publish again the bundle that was published before; a second time undoes the first."""
    from trainer.bundles import registry

    before = registry.published_name(loaded.paths.bundles)
    name = registry.rollback(loaded.paths.bundles)
    _print_published(loaded, name)
    say(f"another rollback publishes {before} again", err=True)


def _print_published(loaded: LoadedSettings, name: str) -> None:
    from daemon.cli.session import catalogue_url
    from daemon.service.renewal import renew_predictions

    url, step = catalogue_url(loaded), loaded.settings.tags.step
    renewed = renew_predictions(url, loaded.paths.bundles, step)
    say(f"{name} is published; {renewed}", err=True)


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"{manifest.name}, fitted {manifest.created_at}"
    if manifest.comparison is not None:
        yield from _learned(manifest.comparison)
        yield ""
        yield f"the regression below what was learned: {manifest.weakness}"
    else:
        yield manifest.weakness
    yield ""
    yield "fitted on"
    for part in manifest.fitted_on:
        yield f"  {part.clips:>5} {part.domain} clips of {part.corpus}: {part.licence}"
    yield ""
    yield "cross-validated by groups, with 95 % confidence intervals"
    heading = ("part", "", "R2", "RMSE", "MAE", "CCC", "covered")
    rows = [heading, *(_held_out_cells(held) for held in manifest.held_out)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, "<<>>>>>", strict=True)
        yield "  " + "  ".join(f"{cell:{side}{width}}" for cell, width, side in cells)
    yield ""
    yield f"nominal interval coverage {manifest.interval_level:.0%}; features {manifest.hearing}"


def _learned(comparison: BundleComparison) -> Iterator[str]:
    """Yield what a learned bundle learned from, and its own scores."""
    counts = " and ".join(f"{dim.annotations} of {dim.dimension}" for dim in comparison.dimensions)
    people = comparison.people
    by = "" if people is None else f" by {people} {'person' if people == 1 else 'people'}"
    yield f"learned from annotations{by}: {counts}"
    if comparison.left_out:
        yield f"  {comparison.left_out} more are of sounds that its regression was fitted on"
    before = comparison.yardstick
    yield f"compared with {before} on held-out annotations: RMSE"
    yield f"  {'':<8} {'itself':>8} {before:>12} {'constant':>9}"
    for dim in comparison.dimensions:
        rmse = (dim.rmse_candidate, dim.rmse_in_service, dim.rmse_constant)
        own, theirs, constant = ("-" if each is None else f"{each:.3f}" for each in rmse)
        yield f"  {dim.dimension:<8} {own:>8} {theirs:>12} {constant:>9}"
    yield f"  it {'passed' if comparison.passed else 'did not pass'} the test: {comparison.verdict}"


def _held_out_cells(held: HeldOutScores) -> tuple[str, ...]:
    scores = map(_score_text, (held.r2, held.rmse, held.mae, held.ccc))
    return held.part, held.dimension, *scores, f"{held.coverage:.0%}"


def _score_text(score: ManifestScore) -> str:
    return "-" if score.value is None else f"{score.value:.2f} ({score.low:.2f}…{score.high:.2f})"
