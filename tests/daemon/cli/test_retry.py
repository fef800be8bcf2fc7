"""`valenced retry` for tags: failed writes are retried at once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen

from daemon.tagging.basics.tag_errors import NO_SCHEME, READ_ONLY
from storage.catalogue import Catalogue
from storage.schema.records import TagOutcome, TagState
from tests.catalogue_rows import CLIPS
from tests.records import NOON, record
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from tests.driving import Valenced

NOT_WRITTEN = TagOutcome(TagState.NOT_WRITTEN, "no permission")


def test_a_running_service_writes_at_once_what_can_be_written_now(
    valenced: Valenced, music: Path
) -> None:
    first, last = (write_audio(music / f"{name}.flac", music_like(2)) for name in "ab")
    for sound in (first, last):
        # A copy would tear the two names apart.
        (music.parent / sound.name).hardlink_to(sound)
    with valenced.start("run", music, "--set", "analysis.workers=1") as service:
        service.wait_for("WARNING", "b.flac", "no tags")
        (music.parent / last.name).unlink()
        valenced("retry", music)
        assert "the tags of 2 files will be retried now" in valenced.stderr
        # Who asked is told once more of what is left.
        service.wait_for("WARNING", "a.flac", "no tags")
        # It lost a name, so it is looked at again before it is written.
        service.wait_until(lambda: "MOOD_AROUSAL" in mutagen.File(last))
        assert service.stop() == 0
    assert ["MOOD_AROUSAL" in mutagen.File(sound) for sound in (first, last)] == [False, True]
    (music.parent / first.name).unlink()
    valenced("retry", first)
    assert "the tags of 1 file will be retried at the next run or scan" in valenced.stderr
    valenced("scan", music)
    assert "MOOD_AROUSAL" in mutagen.File(first)
    valenced("retry")
    assert valenced.stderr == "0 files will be retried at the next run or scan\n"


def test_tags_that_were_given_up_are_counted_by_reason(valenced: Valenced) -> None:
    outcomes = {
        "/m/a.mp3": NOT_WRITTEN,
        "/m/b.mp3": NOT_WRITTEN,
        "/m/c.mkv": TagOutcome(TagState.NOT_WRITTEN, NO_SCHEME),
        "/m/full.mp3": TagOutcome(TagState.PENDING, "no room"),
        "/m/fine.mp3": TagOutcome(TagState.WRITTEN),
    }
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        for path, outcome in outcomes.items():
            catalogue.tag_journal.record(record(catalogue, path), outcome)
    status = valenced.read("status")
    assert (status["tags_pending"], status["tags_given_up"]) == (1, 3)
    assert status["untagged"] == [
        {"reason": "no permission", "count": 2, "example": "/m/a.mp3"},
        {"reason": NO_SCHEME, "count": 1, "example": "/m/c.mkv"},
    ]
    lines = valenced("status").decode().splitlines()
    row = lines.index("tags       1 pending; 3 given up")
    assert lines[row + 1].split(maxsplit=1) == ["2", "no permission"]
    assert lines[row + 2].strip() == "/m/a.mp3"


def test_tags_that_nobody_will_write_by_itself_are_told(valenced: Valenced, music: Path) -> None:
    (music / "watched").mkdir()
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        clip = record(catalogue, "/elsewhere/a.mp3")
        catalogue.tag_journal.record(clip, TagOutcome(TagState.PENDING))
    outside = (
        "     1  in none of the folders below: add theirs to the settings, or stop the service"
    )
    assert outside not in valenced("status").decode()
    with valenced.start("run", music / "watched") as service:
        service.wait_for("watched")
        service.wait_until(lambda: valenced.read("status")["folders"])
        assert outside in valenced("status").decode()


def test_only_failed_tags_that_are_wanted_are_retried(valenced: Valenced) -> None:
    outcomes = {
        "/m/failed.mp3": NOT_WRITTEN,
        "/m/full.mp3": TagOutcome(TagState.PENDING, "no room"),
        "/m/caf\udce9.mp3": NOT_WRITTEN,
        "/quiet/a.mp3": NOT_WRITTEN,
        "/quiet/loud/a.mp3": NOT_WRITTEN,
        "/m/gone.mp3": NOT_WRITTEN,
        "/m/readable.mp3": TagOutcome(TagState.PENDING, READ_ONLY),
        "/m/stripped.mp3": TagOutcome(TagState.OFF, "taken out on request"),
        "/m/fine.mp3": TagOutcome(TagState.WRITTEN),
    }
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        for path, outcome in outcomes.items():
            catalogue.tag_journal.record(record(catalogue, path), outcome)
        catalogue.mark_missing([Path("/m/gone.mp3")], NOON)
        record(catalogue, "/m/x.mp3")
    quiet = 'watch.folder=[{path = "/quiet", tags = false}, {path = "/quiet/loud"}]'
    valenced("retry", "--set", "tags.mode=none")
    assert "tags" not in valenced.stderr
    valenced("retry", "/m/full.mp3", "--set", quiet)
    assert "the tags of 1 file" in valenced.stderr
    valenced("retry", "--set", quiet)
    assert "the tags of 3 files will be retried at the next run or scan" in valenced.stderr
    rows = valenced.select(
        f"SELECT path FROM {CLIPS} WHERE tag_state = 'pending' AND tag_reason IS NULL"
    )
    assert {path for (path,) in rows} == {
        b"/m/failed.mp3",
        b"/m/full.mp3",
        b"/m/caf\xe9.mp3",
        b"/quiet/loud/a.mp3",
        b"/m/x.mp3",
    }
