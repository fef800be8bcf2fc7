"""Several services on one catalogue on a PostgreSQL server, by real processes."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen
import pytest

from daemon.watch.file_state import stamp_at
from storage.catalogue import Catalogue
from storage.database.service_lease import ServiceLease
from storage.jobs import RETAG
from storage.schema.catalogue_errors import CatalogueBusy
from storage.schema.file_stamps import NO_STAMP
from storage.schema.records import TagState
from tests.driving import PATIENCE_S, Valenced
from tests.postgresql_server import running_server, why_missing
from tests.records import NOON
from tests.sounds import noise, write_audio
from trainer.bundles.bundle import MANIFEST, SHIPPED, TABLE, read_bundle
from trainer.files.atomic_dir import write_files

if TYPE_CHECKING:
    from tests.driving import Running
    from tests.postgresql_server import PostgresqlServer


def installation(state: Path, url: str) -> Valenced:
    return Valenced(state, "watch.settle_s=0.3", f"catalogue.url={url}")


def heard(running: Running, file: Path) -> int:
    return sum(file.name in line and "arousal" in line for line in running.lines)


def is_tagged(file: Path) -> bool:
    return "MOOD_AROUSAL" in mutagen.File(file)


def end_lease(server: PostgresqlServer, url: str, which: str = "is_main") -> None:
    """Let a service be last heard of too long ago."""
    long_ago = "UPDATE services SET seen_at = seen_at - interval '1 hour' WHERE"
    server.run_sql(url, f"{long_ago} {which}")


def test_a_service_hears_for_who_holds_the_folder_and_takes_its_place(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    url, away = server.new_catalogue(), Path("/not/mounted/here.flac")
    second = installation(tmp_path / "second", url)
    # It publishes the bundle.
    second("scan", music)
    file = write_audio(music / "a.flac", noise(2))
    stamp = stamp_at(file)
    assert stamp is not None
    with closing(ServiceLease(url, "main")) as lease, closing(Catalogue(url)) as catalogue:
        assert lease.renew([music]).is_main
        server.run_sql(url, "UPDATE services SET seen_at = seen_at + interval '1 day'")
        catalogue.queue.put([(file, stamp), (away, NO_STAMP)], NOON)
        second("scan", music, exit_code=1)
        assert "a service works on this catalogue" in second.stderr
        with second.start("run", music) as running:
            running.wait_for("not watched here: main watches it")
            running.wait_for("predicts by starter")
            running.wait_for("a.flac", "arousal")
            running.wait_until(lambda: catalogue.jobs.is_requested(RETAG))
            clip = catalogue.clip_at(file)
            assert clip is not None
            assert clip.tag_state is TagState.PENDING
            assert not is_tagged(file)
            lease.give_up()
            running.wait_for("its parts start again")
            running.wait_until(lambda: is_tagged(file))
            assert running.stop() == 0
        assert heard(running, file) == 1
        # It lies in no folder of that service.
        assert list(catalogue.queued_stamps()) == [away]
        assert server.run_sql(url, "SELECT state, attempts FROM queue") == [("waiting", 0)]
        assert server.run_sql(url, "SELECT count(*) FROM folder_leases") == [(0,)]


def test_each_of_two_services_watches_and_tags_its_own_folders(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    url, own, inner = server.new_catalogue(), tmp_path / "effects", music / "inner"
    own.mkdir()
    inner.mkdir()
    first, second = (installation(tmp_path / name, url) for name in ("first", "second"))
    with ExitStack() as running:
        main = running.enter_context(first.start("run", music))
        main.wait_for(f"{music}: watched")
        other = running.enter_context(second.start("run", own, inner))
        other.wait_for(f"{inner}: not watched here")
        other.wait_for(f"{own}: watched")
        files = [
            folder / f"{name}.flac" for name, folder in zip("abc", (music, inner, own), strict=True)
        ]
        for seed, file in enumerate(files):
            write_audio(file, noise(2, seed=seed))
        main.wait_for("a.flac", "arousal")
        other.wait_for("c.flac", "arousal")
        main.wait_until(lambda: all(map(is_tagged, files)))
        main.process.send_signal(signal.SIGSTOP)
        end_lease(server, url)
        other.wait_for("its parts start again")
        other.wait_for(f"{own}: watched")
        other.wait_for(f"{inner}: watched")
        files += [write_audio(folder / "d.flac", noise(2, seed=9)) for folder in (own, inner)]
        (own / "c.flac").unlink()
        other.wait_until(lambda: all(map(is_tagged, files[3:])))
        counted = "SELECT count(*) FROM clips WHERE missing_since IS NOT NULL"
        other.wait_until(lambda: server.run_sql(url, counted) == [(1,)])
        main.process.send_signal(signal.SIGCONT)
        main.wait_for("another service has taken over")
        assert main.process.wait(PATIENCE_S) == CatalogueBusy.exit_code
        assert other.stop() == 0
    assert not any(heard(main, file) for file in files[2:])
    assert not heard(other, files[0])
    assert heard(main, files[1]) + heard(other, files[1]) == 1


def test_a_service_gets_each_bundle_of_the_main_one_from_the_catalogue(
    server: PostgresqlServer, tmp_path: Path, music: Path
) -> None:
    url, own = server.new_catalogue(), tmp_path / "effects"
    own.mkdir()
    first, second = (installation(tmp_path / name, url) for name in ("first", "second"))
    with ExitStack() as running:
        main = running.enter_context(first.start("run", music))
        main.wait_for(f"{music}: watched")
        other = running.enter_context(second.start("run", own))
        other.wait_for(f"{own}: watched")
        add_bundle(first, "mine-1")
        first("bundles", "publish", "mine-1")
        main.wait_for("published bundle: mine-1")
        other.wait_for("of the main service is published here as shared-")
        other.wait_for("predicts by mine-1")
        other.wait_until(lambda: len(server.run_sql(url, "SELECT * FROM folder_leases")) == 2)
        write_audio(own / "a.flac", noise(2))
        other.wait_for("a.flac", "arousal")
        other.wait_until(lambda: is_tagged(own / "a.flac"))
        (bundle,) = {row[0] for row in server.run_sql(url, "SELECT bundle FROM sounds")}
        assert bundle.startswith("mine-1")
        assert other.stop() == 0
        assert main.stop() == 0


def add_bundle(valenced: Valenced, name: str) -> None:
    """Add the starter's training set under another name, for which it is fitted again."""
    _, content = read_bundle(SHIPPED, guarded=False)
    document = json.loads(content[MANIFEST]) | {"name": name}
    files = {TABLE: content[TABLE], MANIFEST: json.dumps(document).encode()}
    write_files(valenced.catalogue.parent / "bundles" / name, files)


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
            main.wait_for(f"{music}: watched")
            other = running.enter_context(second.start("run", music))
            other.wait_for("not watched here")
            for seed, file in enumerate(files[:4]):
                write_audio(file, noise(2, seed=seed))
            counted = "SELECT count(*) FROM clips WHERE tag_state = 'written'"
            main.wait_until(lambda: server.run_sql(url, counted) == [(4,)])
            main.process.kill()
            # To its end.
            list(main._lines())
            end_lease(server, url)
            other.wait_for(f"watching {music}")
            server.stop()
            write_audio(files[4], noise(2, seed=4))
            other.wait_for("waiting for the catalogue")
            server.start()
            other.wait_for("4.flac", "arousal")
            write_audio(files[5], noise(2, seed=5))
            other.wait_for("5.flac", "arousal")
            assert other.stop() == 0
        assert server.run_sql(url, "SELECT count(*) FROM hearings") == [(6,)]
        assert [heard(main, file) + heard(other, file) for file in files] == [1] * 6
