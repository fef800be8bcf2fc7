"""`valenced page`: serves the page for a catalogue, whether a service works on it or not."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.session import catalogue_url, require_catalogue

if TYPE_CHECKING:
    from config.loading import LoadedSettings

ANY_PORT = "127.0.0.1:0"


@click.command("page")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=ANY_PORT,
    help="Address of the page; any free port of this machine if not given.",
)
@with_settings
def command(loaded: LoadedSettings, *, listen: str) -> None:
    """Serve the page of the catalogue until stopped, and print its URL.

    A service serves the page by itself where page.listen is set.
    """
    from daemon.clock import utc_now
    from daemon.monitoring.listening_socket import address_in_use, listening_socket
    from daemon.monitoring.page_messages import PageConfig
    from daemon.monitoring.status_replies import StatusReplies
    from daemon.page.page_app import is_local
    from daemon.page.serving import page_server
    from storage.catalogue import Catalogue
    from storage.database.engine import absolute_url

    require_catalogue(loaded)
    url = absolute_url(catalogue_url(loaded))
    listener = listening_socket(_checked(listen))
    address, token = address_in_use(listen, listener), secrets.token_urlsafe(24)
    config = PageConfig(
        loaded.settings,
        url,
        loaded.paths.bundles.absolute(),
        address,
        token,
        loaded.settings.log.level,
    )
    reconcile_s = loaded.settings.watch.reconcile_s
    replies = StatusReplies(Catalogue(url, reads_only=True), lambda: reconcile_s, utc_now)
    say(f"http://{address}/" + ("" if is_local(address) else f"?token={token}"))
    with page_server(config, replies) as server:
        server.serve_at(listener)


def _checked(address: str) -> str:
    from config.settings import PageSettings

    try:
        return PageSettings(listen=address).listen or ANY_PORT
    except ValueError as error:
        raise click.BadParameter("HOST:PORT is accepted", param_hint="--listen") from error
