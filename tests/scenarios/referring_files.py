"""Makes media files and playlists that refer to other files and hosts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, LINK, TXXX, WCOM, WOAF, WXXX

from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from pathlib import Path


class Target(NamedTuple):
    """What the files refer to: a sound elsewhere, its path from where they lie, and a host."""

    path: Path
    relative: str
    host: str

    @property
    def all(self) -> list[str]:
        """Every spelling of the sound and of the host."""
        http = f"http://{self.host}/a.wav"
        protocols = [
            f"concat:{self.path}|{http}",
            f"subfile,,start,0,end,0,,:{self.path}",
            f"crypto:{self.path}",
            f"async:cache:{http}",
        ]
        schemes = ("https", "tcp", "udp", "rtp", "rtmp", "rtsp", "ftp", "gopher", "mmsh")
        hosts = [f"{scheme}://{self.host}/a.wav" for scheme in schemes]
        return [str(self.path), f"file://{self.path}", self.relative, http, *hosts, *protocols]


def _lists(target: Target) -> dict[str, list[str]]:
    """Return the playlists and manifests, by their suffix; each has every spelling."""
    every, url = target.all, f"http://{target.host}/a.wav"
    host, _, port = target.host.partition(":")
    segments = [line for one in every for line in ("#EXTINF:10,", one)]
    head = ["#EXTM3U", "#EXT-X-TARGETDURATION:10"]
    xml = '<?xml version="1.0"?>'
    dash = f"{xml}<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period>"
    return {
        "m3u": ["#EXTM3U", *every],
        "m3u8": [*head, *segments, "#EXT-X-ENDLIST"],
        "master.m3u8": ["#EXTM3U", "#EXT-X-STREAM-INF:BANDWIDTH=1", *every],
        "key.m3u8": [*head, f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"', *segments],
        "map.m3u8": [*head, f'#EXT-X-MAP:URI="{target.path}"', *segments],
        "media.m3u8": ["#EXTM3U", f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{url}"'],
        "ffconcat": ["ffconcat version 1.0", *(f"file '{one}'" for one in every)],
        "options.ffconcat": ["ffconcat version 1.0", f"file {url}", "option safe 0", "inpoint 1"],
        "sdp": [
            "v=0",
            "o=- 0 0 IN IP4 0",
            "s=x",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP 0",
            "a=rtpmap:0 PCMU/8000",
        ],
        "mpd": [
            dash,
            f"<AdaptationSet><Representation id='1' bandwidth='1'><BaseURL>{url}",
            "</BaseURL></Representation></AdaptationSet></Period></MPD>",
        ],
        "template.mpd": [
            dash,
            f"<AdaptationSet><SegmentTemplate media='{url}$Number$' ",
            f"initialization='{url}'/></AdaptationSet></Period></MPD>",
        ],
        "ism": [f"{xml}<SmoothStreamingMedia><StreamIndex Url='{url}'/></SmoothStreamingMedia>"],
        "asx": [f'<asx version="3.0"><entry><ref href="{one}"/></entry></asx>' for one in every],
        "redirect.asf": ["[Reference]", *(f"Ref{n}={one}" for n, one in enumerate(every))],
        "ram": every,
        "redirect.rm": [f"rtsp://{target.host}/a.rm"],
        "rtsp": ["RTSPtext", f"rtsp://{target.host}/a"],
        "pls": ["[playlist]", *(f"File{n}={one}" for n, one in enumerate(every, 1))],
        "xspf": [
            f"{xml}<playlist version='1' xmlns='http://xspf.org/ns/0/'><trackList>",
            *(f"<track><location>{one}</location></track>" for one in every),
        ],
        "wpl": ["<?wpl version='1.0'?><smil><body><seq>", *(f"<media src='{o}'/>" for o in every)],
        "smil": ["<smil><body>", *(f'<audio src="{one}"/>' for one in every), "</body></smil>"],
        "b4s": [f"{xml}<WinampXML><playlist>", *(f'<entry Playstring="{o}"/>' for o in every)],
        "cue": [line for one in every for line in (f'FILE "{one}" WAVE', "  TRACK 01 AUDIO")],
        "ffmetadata": [";FFMETADATA1", f"title={url}", "[CHAPTER]", "START=0", "END=1"],
        "assetmap.xml": [
            f"{xml}<AssetMap xmlns='http://www.smpte-ra.org/schemas/429-9/2007/AM'>",
            f"<AssetList><Asset><Path>{url}</Path></Asset></AssetList></AssetMap>",
        ],
        "cpl.xml": [f"{xml}<CompositionPlaylist xmlns='http://www.smpte-ra.org/x'>"],
        "avs": [f'DirectShowSource("{target.path}")'],
        "vpy": [f"open({str(target.path)!r})"],
        "lavfi": [f"amovie={target.path}"],
        "url": ["[InternetShortcut]", f"URL={url}"],
        "desktop": ["[Desktop Entry]", "Type=Link", f"URL={url}"],
        "strm": [url],
        "idx": ["# VobSub index file, v7", "id: en, index: 0", f"alt: {target.path}"],
        "svg": [f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'],
        "entity.xml": [f"{xml}<!DOCTYPE x [<!ENTITY e SYSTEM '{url}'>]><x>&e;</x>"],
    }


def lists(target: Target) -> dict[str, bytes]:
    """Return files that are no sound, by name; the part behind the last dot is their suffix."""
    return {name: "\n".join(lines).encode() + b"\n" for name, lines in _lists(target).items()}


def sounds(folder: Path, target: Target) -> dict[str, bytes]:
    """Return sounds that refer elsewhere, by name.

    Args:
        folder: for the plain sounds that they are made from.
        target: what they refer to.
    """
    plain = {
        suffix: write_audio(folder / f"plain.{suffix}", music_like(1.5, seed=3)).read_bytes()
        for suffix in ("mp3", "flac", "m4a", "mka", "wav")
    }
    url, path = f"http://{target.host}/a.wav".encode(), bytes(target.path)
    playlist = lists(target)["m3u8"]
    chunk = b"plst" + struct.pack("<II", 4 + 12, 1) + struct.pack("<III", 1, 44100, 9)
    label = b"adtlfile" + struct.pack("<I", 1) + path
    listed = b"LIST" + struct.pack("<I", len(label)) + label
    return {
        "linked picture.mp3": _id3(folder, plain["mp3"], _untyped(APIC, mime="-->", data=url)),
        "links.mp3": _id3(
            folder,
            plain["mp3"],
            _untyped(WOAF, url=url.decode()),
            _untyped(WCOM, url=f"file://{target.path}"),
            _untyped(WXXX, desc="x", url=url.decode()),
            _untyped(TXXX, desc="CUESHEET", text=[f'FILE "{target.path}" WAVE']),
        ),
        "linked frame.mp3": _id3(
            folder, plain["mp3"], _untyped(LINK, frameid="TIT2", url=url.decode())
        ),
        "linked picture.flac": _linked_picture(folder, plain["flac"], url),
        "data reference.m4a": _with_reference(plain["m4a"], b"url ", url + b"\0"),
        "file reference.m4a": _with_reference(plain["m4a"], b"url ", b"file://" + path + b"\0"),
        "alias.m4a": _with_reference(plain["m4a"], b"alis", _alias(path)),
        "reference movie.mov": _box(
            b"moov", _box(b"rmra", _box(b"rmda", _box(b"rdrf", b"\0\0\0\0url " + _counted(url))))
        ),
        "linked segment.mka": _with_next_file(plain["mka"], target.path.name.encode()),
        "playlist chunk.wav": _with_chunks(plain["wav"], chunk + listed),
        "playlist before.mp3": playlist + plain["mp3"],
        "playlist behind.wav": plain["wav"] + playlist,
        "playlist behind id3.mp3": _id3(folder, b"", _untyped(TXXX, desc="a", text=["b"]))
        + playlist,
        "concat:a|b.wav": plain["wav"],
        "a%03d.wav": plain["wav"],
        "http:x.wav": plain["wav"],
        "subfile,,start,0,end,9,,:x.wav": plain["wav"],
    }


def _id3(folder: Path, sound: bytes, *frames: Any) -> bytes:
    made = folder / "tagged"
    made.write_bytes(sound)
    tags: Any = _untyped(ID3)
    for frame in frames:
        tags.add(frame)
    tags.save(made)
    return made.read_bytes()


def _linked_picture(folder: Path, sound: bytes, url: bytes) -> bytes:
    made = folder / "tagged.flac"
    made.write_bytes(sound)
    file, picture = _untyped(FLAC, made), _untyped(Picture)
    picture.mime, picture.data = "-->", url
    file.add_picture(picture)
    file.save()
    return made.read_bytes()


def _untyped(make: Any, *arguments: Any, **named: Any) -> Any:
    """Call a function of mutagen, which has no types."""
    return make(*arguments, **named)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _counted(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _alias(path: bytes) -> bytes:
    """Return a Macintosh alias whose absolute path (kind 18) leads elsewhere."""
    head = struct.pack(">4sHHH", b"\0\0\0\0", 150 + 8 + len(path), 2, 0) + bytes(140)
    return head + struct.pack(">HH", 18, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)


def _with_reference(sound: bytes, kind: bytes, content: bytes) -> bytes:
    """Return an MP4, whose index is at its end, with another data reference."""
    found, at = b"", 0
    while at < len(sound):
        size, name = struct.unpack_from(">I4s", sound, at)
        content_of = sound[at + 8 : at + size]
        if name in {b"moov", b"trak", b"mdia", b"minf", b"dinf"}:
            found += _box(name, _with_reference(content_of, kind, content))
        elif name == b"dref":
            found += _box(name, struct.pack(">II", 0, 1) + _box(kind, bytes(4) + content))
        else:
            found += sound[at : at + size]
        at += size
    return found


def _with_next_file(sound: bytes, name: bytes) -> bytes:
    """Return a Matroska file whose writing application is now the name of the next file."""
    at = sound.index(b"\x57\x41", sound.index(b"\x15\x49\xa9\x66"))
    size = sound[at + 2] & 0x7F
    linked = b"\x3e\x83\xbb" + bytes([0x80 | (size - 1)]) + name[: size - 1].ljust(size - 1, b"\0")
    return sound[:at] + linked + sound[at + 3 + size :]


def _with_chunks(sound: bytes, chunks: bytes) -> bytes:
    size = len(sound) - 8 + len(chunks)
    return sound[:4] + struct.pack("<I", size) + sound[8:] + chunks
