from __future__ import annotations

import errno
import re
import struct
from typing import TYPE_CHECKING, Any

import av.error
import pytest

from bench.fuzz.good_files import Sample, good_files
from tests.sounds import tone, write_audio
from tests.trainer.audio.outer_blocks import id3v2
from tests.trainer.audio.test_container import transport_stream
from trainer.audio.container import open_sound, sound_packets
from trainer.audio.decode_errors import reason_of
from trainer.audio.sound_file import system_reason
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from pathlib import Path

FOREIGN = re.compile(
    r"ffmpeg|patches|Errno|Error number|not implemented|Resource temporarily|Decoder not"
    r"|Numerical|not permitted|Traceback",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    short, _ = good_files(tmp_path_factory.mktemp("good"))
    return {sample.kind: sample for sample in short}


def decode(path: Path) -> None:
    with open_sound(path) as (container, stream):
        for packet in sound_packets(container, stream):
            stream.decode(packet)


def reason_for(path: Path) -> str:
    with pytest.raises(UnreadableClip) as caught:
        decode(path)
    return caught.value.reason


@pytest.mark.parametrize(
    "number", sorted({*errno.errorcode, -1, 0, 2**31 - 1, -(2**31), 8454144, 65053})
)
def test_every_number_becomes_one_line_of_ours(number: int) -> None:
    for kind in (av.error.FFmpegError, OSError):
        reason = reason_of(kind(number, "Error number -N occurred, patches welcome"))
        assert reason.strip()
        assert len(reason.splitlines()) == 1
        assert "patches" not in reason


@pytest.mark.parametrize("number", sorted(av.error.classes))
def test_every_error_of_ffmpeg_becomes_one_line_of_ours(number: int) -> None:
    kind: Any = av.error.classes[number]
    reason = reason_of(kind(number, "Decoder not found, patches welcome"))
    assert len(reason.splitlines()) == 1
    assert not FOREIGN.search(reason)


def test_a_missing_decoder_says_what_to_do(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "odd.wav", tone(0.1))
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, content.index(b"fmt ") + 8, 0x7777)
    path.write_bytes(content)
    assert reason_for(path).endswith("convert it, to FLAC for instance")


def test_an_unknown_variant_says_what_to_do(tmp_path: Path, samples: dict[str, Sample]) -> None:
    path = tmp_path / "odd.voc"
    content = bytearray(samples["voc"].content)
    struct.pack_into("<H", content, 20, 77)
    path.write_bytes(content)
    assert "if it plays elsewhere, convert it" in reason_for(path)


def test_a_number_that_no_list_holds_is_damage(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "odd.aiff", tone(0.1))
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 2**31)
    path.write_bytes(content)
    assert reason_for(path) == "damaged, or not a sound file"


def test_damage_is_not_taken_for_a_lack_of_permission(
    tmp_path: Path, samples: dict[str, Sample]
) -> None:
    path = tmp_path / "odd.mpc"
    content = samples["8.mpc"].content
    # Instead of the mark that ends the stream, what makes the demuxer give up with -1.
    path.write_bytes(content[: content.rindex(b"SE")] + id3v2())
    assert reason_for(path) == "damaged, or not a sound file"
    refused = PermissionError(errno.EPERM, "Operation not permitted")
    assert system_reason(refused) == "permission denied"


def test_links_that_lead_to_each_other_are_told_apart_from_damage(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    path.symlink_to(tmp_path / "two.wav")
    (tmp_path / "two.wav").symlink_to(path)
    assert reason_for(path) == "is a symbolic link, or lies behind too many"


@pytest.mark.parametrize("tail", [b"", b"U" * 300, bytes(5000), b"\x47" * 777])
def test_a_broadcast_with_rubbish_at_its_end_is_read_to_its_end(
    tmp_path: Path, tail: bytes
) -> None:
    whole = transport_stream(tmp_path / "whole.ts", 1)
    path = tmp_path / "rubbish.ts"
    path.write_bytes(whole[: len(whole) * 2 // 3] + tail)
    with open_sound(path) as (container, stream):
        heard = sum(packet.size > 0 for packet in sound_packets(container, stream))
    assert heard > 5
