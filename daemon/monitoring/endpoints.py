"""The page of a service at its address, and a client that asks there for problems."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from daemon.monitoring.page_messages import PageConfig
from daemon.monitoring.service_status import Problem, Promise
from storage.database.engine import absolute_url
from trainer.bundles.installation_key import make_key, page_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from socket import socket

    from config.settings import Settings
    from daemon.monitoring.status_replies import StatusReplies

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
LARGEST_ANSWER: Final = 1 << 20


@contextmanager
def serve_page(
    settings: Callable[[], Settings],
    url: str,
    registry: Path,
    replies: StatusReplies,
    passed: socket | None = None,
) -> Iterator[Callable[[], None]]:
    """Serve the page at `page.listen`, for the duration of a block; an empty address at none.

    Args:
        settings: returns those in force.
        url: of the catalogue.
        registry: folder of the bundles.
        replies: what is told of the service.
        passed: a socket of systemd that listens already; it is closed at the end.

    Yields:
        What has it take up the present settings.

    Raises:
        SettingsError: there is no such address.
        ListenError: it is in use, or this user may not use it.
        BundleError: the key of this installation, of which its token is made, cannot be had.
    """
    address = settings().page.listen
    if not address:
        if passed is not None:
            passed.close()
        yield lambda: None
        return
    # Without an address the service saves the memory of these.
    from daemon.monitoring.listening_socket import (  # noqa: PLC0415
        address_in_use,
        is_reached_by_others,
        listening_socket,
    )
    from daemon.monitoring.page_child import PageChild  # noqa: PLC0415

    with listening_socket(address, passed) as listener:
        in_use, token = address_in_use(address, listener), page_token(make_key(registry))

        def config() -> PageConfig:
            level = logging.getLevelName(logging.getLogger().level).lower()
            return PageConfig(
                settings(), absolute_url(url), registry.absolute(), in_use, token, level
            )

        child = PageChild(listener, config, replies.ask)
        log.info("listening at http://%s", in_use)
        log.info("`valenced page` prints the URL of the page, with the token that it needs")
        if is_reached_by_others(listener):
            log.warning(
                "page.listen = %s: other machines can reach this; the page needs the token:"
                " http://%s/?token=%s",
                address,
                in_use,
                token,
            )
        with child.running():
            yield child.renew


def fetch_problems(address: str) -> list[Problem]:
    """Return the problems that a service reports at an address; none if no service answers."""
    host, _, port = address.rpartition(":")
    if not int(port or 0):
        return []
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health", headers={"Accept": "application/json"})
        document = json.loads(connection.getresponse().read(LARGEST_ANSWER))
        return [
            Problem(Promise(reason["promise"]), str(reason["why"]))
            for reason in document["reasons"]
        ]
    except TimeoutError:
        return [Problem(Promise.LOOP, f"http://{address}/health does not answer")]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        # Another program, or a service that was started with other settings.
        return []
    finally:
        connection.close()
