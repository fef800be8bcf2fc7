"""Times the first pass with a catalogue on a server, by how far away that is.

The network is simulated: each answer of a server on this machine is delayed. The number of round
trips does not depend on the machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.figures import Figure
from bench.speed.first_pass import library_of
from bench.speed.process_usage import usage_of
from tests.distant_server import distant
from tests.driving import Valenced
from tests.postgresql_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

AWAY_MS: Final = (0.0, 0.5, 2.0)
"""This machine, a cable, and another building."""


def measure(recordings: list[Path]) -> Iterator[Figure]:
    """Runs the pass on all cores at each distance."""
    group = f"first pass over {len(recordings)} files, catalogue on a server"
    with running_server() as server:
        for away_ms in AWAY_MS:
            of = f"{away_ms:g} ms away"
            with (
                library_of(recordings) as library,
                tempfile.TemporaryDirectory() as state,
                distant(server, server.new_catalogue(), away_ms / 1000) as (url, between),
            ):
                valenced = Valenced(Path(state), "watch.settle_s=0.1", f"catalogue.url={url}")
                elapsed_s = usage_of(valenced.line("scan", library), valenced.environment).elapsed_s
                round_trips = between.round_trips / len(recordings)
            yield Figure(group, of, "all files", "elapsed s", [elapsed_s])
            yield Figure(group, of, "a file", "round trips", [round_trips])
