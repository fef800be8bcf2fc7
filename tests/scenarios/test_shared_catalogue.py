"""Several services on one catalogue on a PostgreSQL server, by real processes."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen
import pytest

from daemon.watch.file_state import stamp_at
from storage.catalogue import Catalogue
from storage.database.service_lease import ServiceLease
from storage.schema.file_stamps import NO_STAMP
from storage.schema.records import TagState
from tests.driving import Valenced
from tests.postgresql_server import running_server, why_missing
from tests.records import NOON
from tests.sounds import noise, write_audio

if TYPE_CHECKING:
    from tests.driving import Running
    from tests.postgresql_server import PostgresqlServer


def installation(state: Path, url: str) -> Valenced:
    return Valenced(state, "watch.settle_s=0.3", f"catalogue.url={url}")


def heard(running: Running, file: Path) -> int:
    return sum(file.name in line and "arousal" in line for line in running.lines)


def test_a_service_helps_the_main_one_and_takes_its_place(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    url, away = server.new_catalogue(), Path("/not/mounted/here.flac")
    helper = installation(tmp_path / "helper", url)
    # It publishes the bundle.
    helper("scan", music)
    file = write_audio(music / "a.flac", noise(2))
    stamp = stamp_at(file)
    assert stamp is not None
    with closing(ServiceLease(url, "main")) as lease, closing(Catalogue(url)) as catalogue:
        assert lease.renew().is_main
        catalogue.queue.put([(file, stamp), (away, NO_STAMP)], NOON)
        helper("scan", music, exit_code=1)
        assert "a service works on this catalogue" in helper.stderr
        with helper.start("run", music) as running:
            running.wait_for("helping with the bundle starter")
            running.wait_for("a.flac", "arousal")
            running.wait_until(lambda: catalogue.clip_at(file))
            running.wait_until(lambda: list(catalogue.queued_stamps()) == [away])
            clip = catalogue.clip_at(file)
            assert clip is not None
            assert clip.tag_state is TagState.PENDING
            assert "MOOD_AROUSAL" not in mutagen.File(file)
            lease.give_up()
            running.wait_for("this one watches the folders from now on")
            running.wait_until(lambda: "MOOD_AROUSAL" in mutagen.File(file))
            assert running.stop() == 0
        assert heard(running, file) == 1


def test_one_is_killed_and_the_server_restarted_and_every_sound_is_heard_once(
    tmp_path: Path, music: Path
) -> None:
    if (reason := why_missing()) is not None:
        pytest.skip(reason)
    files = [music / f"{number}.flac" for number in range(6)]
    with running_server() as server:
        url = server.new_catalogue()
        first, second = (installation(tmp_path / name, url) for name in ("first", "second"))
        with ExitStack() as running:
            main = running.enter_context(first.start("run", music))
            # The first that starts is the main one.
            main.wait_for("watching")
            helper = running.enter_context(second.start("run", music))
            helper.wait_for("helping with the bundle")
            for seed, file in enumerate(files[:4]):
                write_audio(file, noise(2, seed=seed))
            counted = "SELECT count(*) FROM clips WHERE tag_state = 'written'"
            main.wait_until(lambda: server.run_sql(url, counted) == [(4,)])
            main.process.kill()
            # To its end.
            list(main._lines())
            dead = "UPDATE services SET seen_at = seen_at - interval '1 hour' WHERE is_main"
            server.run_sql(url, dead)
            helper.wait_for("this one watches the folders from now on")
            helper.wait_for("watching")
            server.stop()
            write_audio(files[4], noise(2, seed=4))
            helper.wait_for("waiting for the catalogue")
            server.start()
            helper.wait_for("4.flac", "arousal")
            write_audio(files[5], noise(2, seed=5))
            helper.wait_for("5.flac", "arousal")
            assert helper.stop() == 0
        assert server.run_sql(url, "SELECT count(*) FROM hearings") == [(6,)]
        assert [heard(main, file) + heard(helper, file) for file in files] == [1] * 6
