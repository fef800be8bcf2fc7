"""`valenced train`: learns from annotations and imported corpora at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from daemon.cli.options import (
    FORMAT_HELP,
    catalogue_url,
    corpus_folder,
    registry_folder,
    with_settings,
)

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("train")
@click.option("--publish", is_flag=True, help="Put the candidate in service if it is better.")
@click.option(
    "--again", is_flag=True, help="Compare corpora that were compared before and not taken."
)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(loaded: LoadedSettings, *, publish: bool, again: bool, output: str) -> None:
    """Fit a candidate on annotations and new corpora, and compare it with the bundle in service.

    The candidate and the comparison are kept either way: valenced bundles show NAME. A running
    service takes up what is published within seconds, and scores every known sound again.
    """
    from trainer.processes.retrain_process import retrain_from_catalogue  # noqa: PLC0415 - spares every other command the import

    click.echo(
        "fitting and comparing; this takes a minute or two, with new corpora longer …", err=True
    )
    outcome = retrain_from_catalogue(
        catalogue_url(loaded),
        registry_folder(loaded),
        corpus_folder(loaded),
        keep=loaded.settings.retrain.keep,
        publish=publish,
        again=again,
    )
    if output == "json":
        document = {
            "bundle": outcome.name,
            "published": outcome.published,
            "reason": outcome.reason,
            "comparison": outcome.comparison.model_dump(),
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{outcome.name}: {outcome.reason}")
    if outcome.comparison.passed and not publish:
        click.echo(f"to put it in service: valenced bundles publish {outcome.name}", err=True)
