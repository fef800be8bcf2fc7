"""Small files that would take all memory or time of who reads their tags, and the service."""

from __future__ import annotations

import os
import signal
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.pipeline.tag_tries import MOST_TAG_TRIES, STOPPED_EACH_TIME
from tests.catalogue_rows import CLIPS
from tests.daemon.tagging.sounds import encoded
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.driving import Valenced

MOST_RSS_KIB = 300 * 1024
MIB = 1 << 20


def tagged(frames: bytes, number: int) -> bytes:
    """Return an MP3 with these frames of ID3v2.3; each number is another sound."""
    size = bytes((len(frames) >> 7 * place) & 0x7F for place in reversed(range(4)))
    return b"ID3\x03\0\0" + size + frames + encoded("mp3-bare", 2 + number / 4)


def compressed_frame() -> bytes:
    """Return an MP3 of a megabyte with a picture of a gigabyte."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(1024)) + packer.flush()
    body = struct.pack(">I", 1024 * MIB) + packed
    return tagged(b"APIC" + struct.pack(">IH", len(body), 0x80) + body, 0)


def many_frames() -> bytes:
    return tagged((b"TXXX" + struct.pack(">IH", 1, 0) + b"\0") * MIB, 1)


def many_comments() -> bytes:
    """Return a FLAC file with four million empty comments."""
    flac, at, found = encoded("flac", 2.0), 4, b"fLaC"
    count = (1 << 22) - 4
    while True:
        kind, end = flac[at], at + 4 + int.from_bytes(flac[at + 1 : at + 4])
        block = flac[at:end]
        if kind & 0x7F == 4:
            size = (8 + 4 * count).to_bytes(3)
            block = bytes([kind]) + size + struct.pack("<II", 0, count) + bytes(4 * count)
        found, at = found + block, end
        if kind & 0x80:
            return found + flac[at:]


def nested_atoms() -> bytes:
    nested = b""
    for _ in range(10_000):
        nested = struct.pack(">I4s", 8 + len(nested), b"udta") + nested
    return encoded("m4a", 2.0) + struct.pack(">I4s", 8 + len(nested), b"moof") + nested


def giant_text() -> bytes:
    """Return an MP3 whose value of ours is ten megabytes long."""
    text = b"\0MOOD_AROUSAL\0" + b"7" * (10 * MIB)
    return tagged(b"TXXX" + struct.pack(">IH", len(text), 0) + text, 2)


BOMBS: dict[str, Callable[[], bytes]] = {
    "compressed frame.mp3": compressed_frame,
    "many frames.mp3": many_frames,
    "many comments.flac": many_comments,
    "nested.m4a": nested_atoms,
    "giant text.mp3": giant_text,
}


def largest_kib(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_bombs_are_given_up_with_a_reason_and_other_files_go_on(
    valenced: Valenced, music: Path
) -> None:
    for name, content in BOMBS.items():
        (music / name).write_bytes(content())
    (music / "sparse.mp3").write_bytes(encoded("mp3", 2.0))
    os.truncate(music / "sparse.mp3", 1 << 40)
    (music / "good.wav").write_bytes(encoded("wav", 2.5))
    settled = "SELECT count(*) FROM clips WHERE tag_state IN ('written', 'not written')"
    failed = "SELECT count(*) FROM queue WHERE reason IS NOT NULL"
    with valenced.start("run", music) as service:
        service.wait_for("published bundle")
        service.wait_until(
            lambda: (
                valenced.catalogue.exists()
                and valenced.select(settled)[0][0] + valenced.select(failed)[0][0] == len(BOMBS) + 2
            )
        )
        (music / "later.wav").write_bytes(encoded("wav", 3.0))
        service.wait_until(
            lambda: (
                valenced.select(
                    "SELECT count(*) FROM clips WHERE name LIKE '%.wav' AND tag_state = 'written'"
                )
                == [(2,)]
            )
        )
        assert largest_kib(service.process.pid) < MOST_RSS_KIB
    reasons = {
        path.rpartition(b"/")[2].decode(): reason
        for path, reason in valenced.select(
            f"SELECT path, tag_reason FROM {CLIPS} WHERE tag_state = 'not written'"
            " UNION SELECT path, reason FROM queue WHERE reason IS NOT NULL"
        )
    }
    assert reasons.keys() == BOMBS.keys() | {"sparse.mp3"}
    assert b"unpacks to more than 16 MiB" in reasons["compressed frame.mp3"]
    assert b"more than 10000 frames" in reasons["many frames.mp3"]
    assert b"more tags than any file" in reasons["many comments.flac"]
    assert b"hold more text than we ever write" in reasons["giant text.mp3"]
    assert b"never written" in reasons["sparse.mp3"]


KILLED_AT_THE_BOMB = """
import os, signal
from daemon.cli.main import main
from daemon.worker.tag_client import TagClient

planned = TagClient.plan_tags

def plan_tags(client, source, job, *rest):
    if source.path.name == "bomb.mp3":
        os.kill(os.getpid(), signal.SIGKILL)
    return planned(client, source, job, *rest)

TagClient.plan_tags = plan_tags
main()
"""


def test_a_bomb_that_ends_the_service_at_each_start_is_given_up_over_restarts(
    valenced: Valenced, music: Path
) -> None:
    """As it is when the system kills the service for the memory that a bomb takes."""
    (music / "bomb.mp3").write_bytes(giant_text())
    line = [sys.executable, "-c", KILLED_AT_THE_BOMB, *valenced.line("run", music)[1:]]
    line += ["--set", "analysis.workers=1"]
    state = "SELECT tag_state, tag_reason, tag_tries FROM clips WHERE name LIKE '%bomb.mp3'"
    good = "SELECT count(*) FROM clips WHERE name LIKE '%.wav' AND tag_state = 'written'"
    sound = encoded("wav", 2.5)
    for start in range(1, MOST_TAG_TRIES + 1):
        # A file that waits when the service starts is tagged before the bomb is tried again.
        (music / f"{start}.wav").write_bytes(sound)
        with valenced.start_line(line) as service:
            assert service.process.wait(PATIENCE_S) == -signal.SIGKILL
        assert valenced.select(state)[0][::2] == (b"pending", start)
        assert start == 1 or valenced.select(good)[0][0] >= start - 1
    with valenced.start_line(line) as service:
        service.wait_for("bomb.mp3", "no tags")
        (music / "last.wav").write_bytes(sound)
        service.wait_until(lambda: valenced.select(good) == [(MOST_TAG_TRIES + 1,)])
        assert service.stop() == 0
    assert valenced.select(state)[0][:2] == (b"not written", STOPPED_EACH_TIME.encode())
