"""`valenced status`: the state of the service and of its catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.options import format_option, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import catalogue_url, open_catalogue, other_catalogue, require_catalogue
from daemon.clock import utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from config.loading import LoadedSettings
    from daemon.monitoring.service_status import ServiceStatus


@click.command("status")
@format_option
@with_settings
def command(loaded: LoadedSettings, *, output: str) -> None:
    """Show the state of the service: files, folders, failures, scheduled jobs, problems."""
    from daemon.cli.service.status_report import lines_of
    from daemon.monitoring.status_document import document_of
    from storage.database.catalogue_file import place_of

    place = place_of(catalogue_url(loaded))
    require_catalogue(loaded)
    now = utc_now()
    status = _status(loaded, now)
    if status.running is None and (hint := other_catalogue(loaded)):
        say(hint, err=True)
    if output == "json":
        print_json(document_of(status, place, now))
        return
    for heading, text in lines_of(status, place, now):
        say(f"{heading:<10} {text}")


def _status(loaded: LoadedSettings, now: datetime) -> ServiceStatus:
    from daemon.monitoring.endpoints import fetch_problems
    from daemon.monitoring.service_status import KNOWN_TO_PROCESS, status_of

    settings = loaded.settings
    with open_catalogue(loaded) as catalogue:
        status = status_of(catalogue, settings.watch.reconcile_s, now)
    if status.running is not None and settings.page.listen:
        known = {problem.promise for problem in status.problems} - KNOWN_TO_PROCESS
        status.problems.extend(
            problem
            for problem in fetch_problems(settings.page.listen)
            if problem.promise not in known and problem not in status.problems
        )
    return status
