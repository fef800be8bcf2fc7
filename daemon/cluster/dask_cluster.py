"""The connection to a Dask cluster; only this module imports `distributed`.

TLS and all else about the connection comes from Dask's own settings.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import wait
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from config.errors import SettingsError
from daemon.service_errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CONNECT_S: Final = 10.0
ANSWER_S: Final = 60.0
"""A scheduler that does not answer for so long counts as lost; it can be busy for a while."""

LOOK_S: Final = 1.0
"""How often is looked whether a worker that has a task still exists."""

INSTALL: Final = "install it with: pip install 'valenced[cluster]'"


GONE: Final = "is gone"
_LONGEST_REASON: Final = 200


class WorkerFault(Exception):
    """A worker of the cluster gave no answer, or one that cannot be right."""


def require_distributed() -> None:
    """Raise SettingsError if the packages of the extra are not installed."""
    if find_spec("distributed") is None:
        raise SettingsError([f"analysis.cluster needs the package distributed; {INSTALL}"])


class DaskCluster:
    """A client of a Dask scheduler. Safe to use from several threads.

    Args:
        address: of the scheduler, such as `tcp://host:8786`.

    Raises:
        ClusterError: the scheduler does not answer.
    """

    def __init__(self, address: str) -> None:
        # Only who has a cluster has the package.
        distributed: Any = import_module("distributed")
        # Dask logs a traceback for each lost connection; the caller logs one line instead.
        for name in ("distributed", "distributed.client", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = distributed.Client(
                address,
                timeout=CONNECT_S,
                security=_security(distributed, address),
                set_as_default=False,
                name="valenced",
            )
        except ClusterError:
            raise
        except Exception as error:
            raise ClusterError(one_line(error)) from error
        self._client.loop.asyncio_loop.set_exception_handler(_on_loop_error)
        self._seen: Mapping[str, int] = {}
        self._seen_at_s = -LOOK_S

    def workers(self) -> Mapping[str, int]:
        """Return how many threads each worker has, by its address; at most `LOOK_S` old.

        Raises:
            ClusterError: the scheduler does not answer.
        """
        now_s = time.monotonic()
        if now_s - self._seen_at_s >= LOOK_S:
            self._seen_at_s = now_s
            try:
                self._seen = self._looked()
            except Exception as error:
                raise ClusterError(f"the scheduler does not answer: {one_line(error)}") from error
        return self._seen

    def _looked(self) -> dict[str, int]:
        if self._client.status != "running":
            raise ConnectionError("the connection is closed")
        known = self._client.sync(
            self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S
        )
        return {str(address): int(each["nthreads"]) for address, each in known["workers"].items()}

    def ask(
        self,
        workers: Iterable[str],
        function: Callable[..., Any],
        *arguments: object,
        limit_s: float,
    ) -> dict[str, Any]:
        """Call a function on some workers at once.

        Returns:
            What each has answered, which may be anything; WorkerFault if it is gone or did not
            answer in time, or if the call failed.

        Raises:
            ClusterError: the scheduler does not answer.
        """
        ends_at_s = time.monotonic() + limit_s
        asked = {worker: self._submitted(worker, function, *arguments) for worker in workers}
        return {worker: self._result(worker, asked[worker], ends_at_s) for worker in asked}

    def _submitted(self, worker: str, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            # Dask itself must try nothing again elsewhere: whose answer it is must be known.
            return self._client.submit(
                function, *arguments, workers=[worker], allow_other_workers=False, pure=False
            )
        except Exception as error:
            raise ClusterError(f"the scheduler takes no task: {one_line(error)}") from error

    def _result(self, worker: str, future: Any, ends_at_s: float) -> Any:
        # Not `future.result(timeout)`: short time limits in several threads make it fail at times.
        coming = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        try:
            while not wait([coming], LOOK_S).done:
                if time.monotonic() >= ends_at_s:
                    return WorkerFault("did not answer in time")
                # A task waits for ever for the one worker that may do it.
                if worker not in self.workers():
                    return WorkerFault(GONE)
            return coming.result()
        except ClusterError:
            raise
        except Exception as error:
            if self._client.status != "running":
                raise ClusterError("the scheduler is gone") from error
            # Whatever the function raised there, or Dask here.
            return WorkerFault(one_line(error))
        finally:
            coming.cancel()
            with suppress(Exception):
                future.cancel()

    @property
    def client(self) -> Any:
        """The client of Dask itself, for libraries that use one."""
        return self._client

    def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):
            self._client.close(timeout=LOOK_S)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong in a task that nobody waits for, but no task that was cancelled.

    Dask ends the tasks of a cancelled result by an exception of its own, and asks for none of them.
    """
    if type(context.get("exception")).__name__ != "AllExit":
        loop.default_exception_handler(context)


def _security(distributed: Any, address: str) -> Any:
    """Return what Dask's settings say of TLS; raises ClusterError if an address needs more."""
    security = distributed.Security()
    # A client that fails over this would print a traceback when it is thrown away.
    if address.startswith("tls:") and not security.get_connection_args("client")["ssl_context"]:
        raise ClusterError("Dask's settings name no certificates (distributed.comm.tls)")
    return security


def one_line(error: Exception) -> str:
    """Return what went wrong, in one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
