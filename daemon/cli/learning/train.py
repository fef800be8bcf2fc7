"""`valenced train`: trains on annotations and imported corpora now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.options import format_option, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import catalogue_url

if TYPE_CHECKING:
    from config.loading import LoadedSettings
    from trainer.retraining.retrain import RetrainResult


@click.command("train")
@click.option("--publish", is_flag=True, help="Publish the candidate if it is better.")
@click.option("--again", is_flag=True, help="Include corpora that were rejected before.")
@format_option
@with_settings
def command(loaded: LoadedSettings, *, publish: bool, again: bool, output: str) -> None:
    """Fit a candidate on annotations and new corpora, and compare it with the published bundle.

    The candidate and the comparison are kept either way: valenced bundles show NAME. After
    publishing, every known sound is scored again: by the service within seconds if it runs, else
    by this command, and tags are written at the next run or scan.
    """
    from daemon.service.renewal import renew_predictions
    from trainer.processes.retrain_process import retrain_from_catalogue

    say("training; this takes a minute or two, longer with new corpora …", err=True)
    result = retrain_from_catalogue(
        catalogue_url(loaded),
        loaded.paths.bundles,
        loaded.paths.corpora,
        keep=loaded.settings.retrain.keep,
        publish=publish,
        again=again,
    )
    renewed = None
    if result.published:
        step = loaded.settings.tags.step
        renewed = renew_predictions(catalogue_url(loaded), loaded.paths.bundles, step)
    outcome = _outcome(result)
    if output == "json":
        document = {
            "bundle": result.name,
            "published": result.published,
            "outcome": outcome,
            "reason": result.reason,
            "values": renewed,
            "comparison": result.comparison.model_dump(),
        }
        print_json(document)
        return
    say(f"{result.name}: {result.reason}", outcome)
    if renewed is not None:
        say(renewed, err=True)


def _outcome(result: RetrainResult) -> str:
    """Say in one sentence whether the candidate is published, and why or why not."""
    name, compared = result.name, result.comparison
    if result.published:
        return f"{name} is published, because it is better than {compared.yardstick}"
    if compared.passed:
        return (
            f"{name} is not published, because --publish was not given, but it is better than "
            f"{compared.yardstick}; to publish it: valenced bundles publish {name}"
        )
    if compared.corpora is not None and not compared.corpora.passed:
        alone = any(each.annotations for each in compared.dimensions)
        why = "the new corpora did not pass their comparison"
        why += ", nor did annotations alone" if alone else ""
    elif all(each.p_over_service is None for each in compared.dimensions):
        why = "there are too few annotations of new sounds for a test"
    else:
        why = "it predicts held-out annotations no better, or not significantly"
    return f"{name} is not published, because {why}; {compared.yardstick} stays in use"
