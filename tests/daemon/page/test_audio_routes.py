"""The sound itself: by ranges, by no link, and transcoded by a confined worker."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
import pytest

from tests.daemon.page.conftest import MARKUP

if TYPE_CHECKING:
    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient


@pytest.fixture
def audio(library: Library) -> str:
    return f"/api/v1/sounds/{library.numbers['a/calm.flac']}/audio"


def test_the_whole_and_ranges_are_sent(page: PageClient, library: Library, audio: str) -> None:
    content = (library.music / "a" / "calm.flac").read_bytes()
    whole = page.get(audio)
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.headers["accept-ranges"] == "bytes"
    part = page.get(audio, Range="bytes=100-199")
    assert (part.status, part.body) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert page.get(audio, Range="bytes=-7").body == content[-7:]
    assert page.get(audio, Range="bytes=0-1,4-5").body == content
    beyond = page.get(audio, Range="bytes=999999999-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    etag = whole.headers["etag"]
    assert page.get(audio, If_None_Match=etag).status == 304
    assert page.get(audio, Range="bytes=1-2", If_Range=etag).status == 206
    assert page.get(audio, Range="bytes=1-2", If_Range='"older"').status == 200
    head = page.get(audio, "HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(content)))


@pytest.mark.parametrize("wrong", ["format=exe", "format=", "format=../x"])
def test_no_other_format_is_made(page: PageClient, audio: str, wrong: str) -> None:
    assert page.get(f"{audio}?{wrong}").status == 422


def test_a_planted_link_is_not_followed(page: PageClient, library: Library) -> None:
    file = library.music / MARKUP
    secret = library.music.parent / "secret"
    secret.write_text("not for others")
    path = f"/api/v1/sounds/{library.numbers[MARKUP]}/audio"
    content = file.read_bytes()
    file.unlink()
    for plant in ("link", "folder", "nothing"):
        if plant == "link":
            file.symlink_to(secret)
        elif plant == "folder":
            file.mkdir()
        for query in ("", "?format=ogg"):
            answer = page.get(path + query)
            assert answer.status == 404
            assert b"not for others" not in answer.body
        if plant == "folder":
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
    file.write_bytes(content)
    assert page.get(path).body == content


def test_a_sound_is_transcoded_once(page: PageClient, library: Library, audio: str) -> None:
    first = page.get(f"{audio}?format=ogg")
    assert (first.status, first.headers["content-type"]) == (200, "audio/ogg")
    with av.open(io.BytesIO(first.body), "r") as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name.endswith("opus")
        frames = list(container.decode(stream))
    length_s = sum(frame.samples for frame in frames) / 48000
    assert abs(length_s - 2) < 0.1
    part = page.get(f"{audio}?format=ogg", Range="bytes=0-3", If_Range=first.headers["etag"])
    assert (part.status, part.body) == (206, b"OggS")
    # What is no sound is refused by the worker.
    broken = page.get(f"/api/v1/sounds/{library.numbers[MARKUP]}/audio?format=ogg")
    assert broken.status == 404
    assert "detail" in broken.document
