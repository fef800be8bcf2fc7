"""Headers that promise what no file holds, sent through a real worker with real limits."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS
from tests.sounds import noise, silence, tone, write_audio
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PCM = (noise(5) * 32000).astype("<i2").tobytes()
MOST = 2**32 - 1
NOT_SOUND = "damaged, or not a sound file"
NO_STREAM = "holds no audio stream"
NO_DECODER = "its codec is not supported"
NO_SOUND = "no sound could be decoded"
SPENT = "needs more memory than analysis.memory_mib allows"
ABSURD = "more than any sound has; it is damaged"
BRIEF = "at least 0.06 s are needed"
SILENT = "nothing but silence"
HEARD = "heard"


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerClient]:
    with closing(WorkerClient(WORKER_LIMITS)) as one:
        yield one


def ending(worker: WorkerClient, path: Path) -> str:
    """Returns how a file ends, having made sure that the worker outlived it."""
    before = worker._running
    try:
        worker.extract(path, worker.identify(path))
        told = HEARD
    except ClipError as error:
        told = error.reason
    if before is not None:
        assert worker._running is before
    return told


def wav(
    *,
    channels: int = 1,
    rate_hz: int = 44100,
    bits: int = 16,
    width: int | None = None,
    size: int = len(PCM),
    codec: int = 1,
) -> bytes:
    width = channels * bits // 8 if width is None else width
    form = (codec, channels, rate_hz, rate_hz * width & MOST, width & 0xFFFF, bits)
    head = b"WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", *form) + b"data"
    return b"RIFF" + struct.pack("<I", min(MOST, size + 36)) + head + struct.pack("<I", size) + PCM


def au(*, channels: int = 1, rate_hz: int = 44100, size: int = MOST, codec: int = 3) -> bytes:
    return b".snd" + struct.pack(">6I", 28, size, codec, rate_hz, channels, 0) + PCM


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (wav(), HEARD),
        (wav(channels=255), BRIEF),
        (wav(channels=0), NO_STREAM),
        (wav(channels=65535), NO_STREAM),
        (au(channels=512), BRIEF),
        (au(channels=2**31), NOT_SOUND),
        (au(channels=MOST), NOT_SOUND),
        (wav(rate_hz=0), NOT_SOUND),
        (wav(rate_hz=1), SILENT),
        (wav(rate_hz=100), HEARD),
        (wav(rate_hz=5_600_000), BRIEF),
        (wav(rate_hz=2**31 - 1), ABSURD),
        (wav(rate_hz=2**31), NOT_SOUND),
        (wav(rate_hz=MOST), NOT_SOUND),
        (au(rate_hz=2_130_706_432), ABSURD),
        (wav(bits=0, width=2), NO_DECODER),
        (wav(bits=33, width=5), NO_DECODER),
        (wav(bits=64), HEARD),
        (wav(bits=65535, width=2), NO_DECODER),
        (wav(codec=0x7777), NO_DECODER),
        (wav(width=0), HEARD),
        (wav(size=0), HEARD),
        (wav(size=MOST), HEARD),
        (au(size=0), NOT_SOUND),
        (au(codec=99), "a variant of its format that is not read here"),
    ],
    # A whole file as the name of a test does not fit the environment of its processes.
    ids=lambda value: value if isinstance(value, str) else value[:4].decode("ascii"),
)
def test_numbers_at_their_extremes(
    tmp_path: Path, worker: WorkerClient, content: bytes, expected: str
) -> None:
    path = tmp_path / f"extreme.{'wav' if content[:4] == b'RIFF' else 'au'}"
    path.write_bytes(content)
    assert expected in ending(worker, path)


def atom(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def with_times(content: bytes, count: int, entries: bytes) -> bytes:
    """Returns an MP4 file whose index of durations (`stts`) is another."""
    place = content.index(b"stts") - 4
    (length,) = struct.unpack_from(">I", content, place)
    table = atom(b"stts", struct.pack(">II", 0, count) + entries)
    made = bytearray(content[:place] + table + content[place + length :])
    for outer in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = content.index(outer) - 4
        (size,) = struct.unpack_from(">I", made, at)
        struct.pack_into(">I", made, at, size + len(table) - length)
    return bytes(made)


def with_sizes(content: bytes, size: int, count: int) -> bytes:
    """Returns an MP4 file that states so many packets of one size."""
    made = bytearray(content)
    struct.pack_into(">II", made, content.index(b"stsz") + 8, size, count)
    return bytes(made)


MANY = 10_000_000


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda content: content, HEARD),
        (lambda content: with_times(content, MANY, struct.pack(">II", 1, 1024) * MANY), HEARD),
        (lambda content: with_times(content, MANY, bytes(8 * MANY)), NO_SOUND),
        (lambda content: with_times(content, MOST, struct.pack(">II", 1, 1024)), SPENT),
        (lambda content: with_times(content, 1, struct.pack(">II", MOST, MOST)), NO_SOUND),
        (lambda content: with_sizes(content, 1, MOST), NO_SOUND),
        (lambda content: with_sizes(content, MOST, 1), NO_SOUND),
    ],
    ids=["none", "many", "many of none", "more than there are", "endless", "tiny", "huge"],
)
def test_an_index_of_millions(
    tmp_path: Path, worker: WorkerClient, damage: Callable[[bytes], bytes], expected: str
) -> None:
    path = write_audio(tmp_path / "indexed.m4a", noise(3))
    path.write_bytes(damage(path.read_bytes()))
    assert expected in ending(worker, path)


@pytest.mark.parametrize("size", [50_000_000, 2_000_000_000])
def test_a_packed_index_that_unpacks_to_gigabytes(
    tmp_path: Path, worker: WorkerClient, size: int
) -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    inner = atom(b"dcom", b"zlib") + atom(b"cmvd", struct.pack(">I", size) + packed)
    path = tmp_path / "packed.m4a"
    path.write_bytes(atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"moov", atom(b"cmov", inner)))
    assert ending(worker, path) in {NO_STREAM, NOT_SOUND, SPENT}


def test_hours_of_silence_in_little_space(tmp_path: Path, worker: WorkerClient) -> None:
    path = write_audio(tmp_path / "hours.flac", silence(3 * 3600, 8000), 8000)
    assert path.stat().st_size < 3 * 2**20
    assert ending(worker, path) == SILENT


def test_a_sparse_file_of_a_terabyte(tmp_path: Path, worker: WorkerClient) -> None:
    path = tmp_path / "sparse.wav"
    path.write_bytes(wav(size=MOST))
    with path.open("r+b") as file:
        file.truncate(2**40)
    # ffmpeg follows a WAV header of unknown length to the end of the file.
    assert ending(worker, path) == SILENT


def test_many_rates_in_one_stream(tmp_path: Path, worker: WorkerClient) -> None:
    path = tmp_path / "rates.mp3"
    parts = []
    for rate_hz in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000) * 3:
        part = write_audio(tmp_path / "part.mp3", tone(0.3, rate_hz), rate_hz)
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    assert ending(worker, path) == HEARD
