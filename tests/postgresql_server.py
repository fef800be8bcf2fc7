"""A private PostgreSQL server for tests: its files in memory, reached by a socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = "template_catalogue"
_RUNS_AS = "postgres"
_MEMORY = Path("/dev/shm")
_PATIENT = ("-w", "-t", "300")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}


def programs() -> Path | None:
    """Return the folder of the server's programs, those of its newest version; None if missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    if found:
        return found[-1].parent
    beside = shutil.which("initdb")
    return None if beside is None else Path(beside).parent


def why_missing() -> str | None:
    """Return why no server can be started here, None if one can."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian's package postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_RUNS_AS)
        except KeyError:
            return f"PostgreSQL does not run as root, and there is no user {_RUNS_AS}"
    return None


class PostgresqlServer:
    """A server in a folder of its own.

    Attributes:
        folder: of its socket and its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count()
        self._run(
            "initdb", "-A", "trust", "-U", "valenced", "--no-sync", "-E", "UTF8", "--locale=C"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        options = f"-k {self.folder} {settings}"
        self._run("pg_ctl", *_PATIENT, "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it, and end every connection."""
        self._run("pg_ctl", *_PATIENT, "-m", "fast", "stop")

    def url_of(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://valenced@/{database}?host={self.folder}"

    def new_database(self, template: str = "template1") -> str:
        """Create a database, and return its URL."""
        name = f"catalogue_{next(self._numbers)}"
        self._ask(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url_of(name)

    def new_catalogue(self) -> str:
        """Create a database with the tables of a catalogue, and return its URL."""
        return self.new_database(self._template)

    @cached_property
    def _template(self) -> str:
        self._ask(f"CREATE DATABASE {TEMPLATE}")
        with closing(Catalogue(self.url_of(TEMPLATE))):
            pass
        return TEMPLATE

    def run_sql(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in a database, and return its rows."""
        import psycopg  # noqa: PLC0415 - an extra

        with closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True)) as plain:
            done = plain.execute(statement.encode())
            return done.fetchall() if done.description else []

    def _ask(self, statement: str) -> None:
        self.run_sql(self.url_of("postgres"), statement)

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        line = [str(folder / program), "-D", str(self.folder / "files"), *arguments]
        who = _RUNS_AS if os.geteuid() == 0 else None
        done = subprocess.run(
            line,
            user=who,
            group=who,
            extra_groups=None if who is None else (),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def _has_room(folder: Path) -> bool:
    # In containers it is often small. A server begins with 40 MB, and each catalogue takes 8.
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 2 << 30


@contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Start a server within the block."""
    # Its path is short enough for a socket, and its user can reach it, unlike pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_MEMORY if _has_room(_MEMORY) else None))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _RUNS_AS)
        server = PostgresqlServer(folder)
        server.start()
        try:
            yield server
        finally:
            with suppress(AssertionError):
                server.stop()
    finally:
        shutil.rmtree(folder)
