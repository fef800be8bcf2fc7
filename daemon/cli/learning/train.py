"""`valenced train`: trains on annotations and imported corpora now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.options import catalogue_url, format_option, with_settings
from daemon.cli.output import print_json, say

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("train")
@click.option("--publish", is_flag=True, help="Publish the candidate if it is better.")
@click.option("--again", is_flag=True, help="Include corpora that were rejected before.")
@format_option
@with_settings
def command(loaded: LoadedSettings, *, publish: bool, again: bool, output: str) -> None:
    """Fit a candidate on annotations and new corpora, and compare it with the published bundle.

    The candidate and the comparison are kept either way: valenced bundles show NAME. A running
    service loads a newly published bundle within seconds, and renews every prediction.
    """
    from trainer.processes.retrain_process import retrain_from_catalogue  # noqa: PLC0415 - spares every other command the import

    say("training; this takes a minute or two, longer with new corpora …", err=True)
    result = retrain_from_catalogue(
        catalogue_url(loaded),
        loaded.paths.bundles,
        loaded.paths.corpora,
        keep=loaded.settings.retrain.keep,
        publish=publish,
        again=again,
    )
    if output == "json":
        document = {
            "bundle": result.name,
            "published": result.published,
            "reason": result.reason,
            "comparison": result.comparison.model_dump(),
        }
        print_json(document)
        return
    say(f"{result.name}: {result.reason}")
    if result.comparison.passed and not publish:
        say(f"to publish it: valenced bundles publish {result.name}", err=True)
