"""`valenced page`: tells the URL of the page, and serves it where no service does."""

from __future__ import annotations

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
    help="Serve at this address, whether a service does or not; port 0 takes any that is free.",
)
@with_settings
def command(loaded: LoadedSettings, *, listen: str | None) -> None:
    """Print the URL of the page, and serve it until stopped if no service does.

    A service serves the page by itself where page.listen is set.
    """
    from daemon.clock import utc_now
    from daemon.monitoring.listening_socket import address_in_use, listening_socket
    from daemon.monitoring.page_messages import PageConfig
    from daemon.monitoring.status_replies import StatusReplies
    from daemon.page.serving import page_server
    from storage.catalogue import Catalogue
    from storage.database.catalogue_file import writer_of
    from storage.database.engine import absolute_url
    from trainer.bundles.installation_key import make_key, page_token

    require_catalogue(loaded)
    settings, bundles = loaded.settings, loaded.paths.bundles.absolute()
    url, token = absolute_url(catalogue_url(loaded)), page_token(make_key(bundles))
    served = settings.page.listen
    if listen is None and writer_of(url) is not None and int(served.rpartition(":")[2] or 0):
        say(_url(served, token))
        return
    wanted = ANY_PORT if listen is None else _checked(listen)
    listener = listening_socket(wanted)
    address = address_in_use(wanted, listener)
    config = PageConfig(settings, url, bundles, address, token, settings.log.level)
    replies = StatusReplies(
        Catalogue(url, reads_only=True), lambda: settings.watch.reconcile_s, utc_now
    )
    say(_url(address, token))
    with page_server(config, replies) as server:
        server.serve_at(listener)


def _url(address: str, token: str) -> str:
    return f"http://{address}/?token={token}"


def _checked(address: str) -> str:
    from config.settings import PageSettings

    try:
        return PageSettings(listen=address).listen or ANY_PORT
    except ValueError as error:
        raise click.BadParameter("HOST:PORT is accepted", param_hint="--listen") from error
