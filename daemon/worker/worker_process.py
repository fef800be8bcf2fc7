"""A subprocess that reads sound files, so that a damaged or hostile one harms nothing else.

Run by `start_child` with the arguments DESCRIPTOR NICE MEMORY_MIB. Requests and answers are
JSON messages over the inherited socket; the field `do` names the request:

    do          other fields           files  answer
    identify    name                   1      identity
    read_back   name, hashed           1      audio_hash, metadata
    credits     name                   1      artist, title
    analyse     name, bundle, digest   1      settings, duration_s, vector, prediction, windows
    extract     name                   1      settings, duration_s, vector, starts_s, windows
    decode      name                   1      rate_hz, duration_s, starts_s, windows
    describe    name, and as decode           as extract
    predict     bundle, digest, vector,       prediction, windows
                starts_s, windows
    transcode   name                   1      sound
    prepare     registry, name or null        directory, manifest
    warm        bundle, digest
    tags_...    see `daemon.tagging.parsing.tag_requests`
    confine                                   layers

Files come as open descriptors; `name` is that of the first, without its folder. Every request has
`number`, which its answer repeats.

Answers hold only text and numbers: the service must be able to read them without trusting a
process that has just decoded somebody's file. Vectors are packed (`trainer.features.vector_codec`)
and in base64. A window has `start_s`, `arousal` and `valence` in the answer to `analyse` and
`predict`; in that to `extract` it is a vector, and decoded it is its samples, float32, in base64.
`decode`, `describe` and `predict` are the parts of `analyse`, which several machines can share.

A file that cannot be used is answered by `unreadable` or `unusable`, a bundle that cannot by
`bundle`, each with the reason. `confine` gives up all but reading, and says by which layers
(`trainer.audio.sandbox`); the first request with a file would do the same. A bundle is loaded by
`warm` before that: afterwards none can be read.
"""

from __future__ import annotations

import os
import signal
import sys
from base64 import b64decode, b64encode
from dataclasses import asdict
from functools import cache
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from daemon.worker.worker_channel import UNCONFINED, receive_request, send
from trainer.audio.sandbox import confine, is_alone
from trainer.audio.sound_file import SoundFile
from trainer.trainer_errors import NEEDS_MEMORY, BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trainer.arrays import FloatArray
    from trainer.bundles.bundle import Bundle
    from trainer.features.extract import ClipFeatures

Answer = dict[str, Any]

_LONGEST_REASON = 500


def _sound(request: Mapping[str, Any], files: Sequence[int]) -> SoundFile:
    return SoundFile(Path(request["name"]), files[0])


def _identify(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.audio.packets.fingerprint import identify  # noqa: PLC0415 - each request loads only what it needs

    return {"identity": identify(_sound(request, files))}


def _read_back(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.audio.packets.ffmpeg_reading import read_back  # noqa: PLC0415

    return read_back(_sound(request, files), hashed=bool(request["hashed"]))


def _credits(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.audio.packets.ffmpeg_reading import credits_of  # noqa: PLC0415

    return dict(credits_of(_sound(request, files)))


def _analyse(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    import numpy as np  # noqa: PLC0415

    from trainer.features.extract import extract_features  # noqa: PLC0415

    bundle = _bundle(request["bundle"], request["digest"])
    features = extract_features(_sound(request, files))
    vectors = np.vstack([features.vector, features.windows])
    return _answered(features) | _predicted(bundle, vectors, features.starts_s)


def _predicted(bundle: Bundle, vectors: FloatArray, starts_s: Sequence[float]) -> Answer:
    """Predict a sound, whose vector comes first, and each of its windows."""
    columns = asdict(bundle.predict(vectors))
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    prediction, *windows = (dict(zip(columns, row, strict=True)) for row in rows)
    return {
        "prediction": prediction,
        "windows": [
            {"start_s": start_s, "arousal": window["arousal"], "valence": window["valence"]}
            for start_s, window in zip(map(float, starts_s), windows, strict=True)
        ],
    }


def _extract(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.features.extract import extract_features  # noqa: PLC0415

    return _described(extract_features(_sound(request, files)))


def _decode(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.audio.decode import decode_windows  # noqa: PLC0415
    from trainer.features.extract import CANONICAL  # noqa: PLC0415

    clip = decode_windows(_sound(request, files), CANONICAL)
    samples = (window.astype("<f4").tobytes() for window in clip.windows)
    return {
        "rate_hz": clip.rate_hz,
        "duration_s": float(clip.duration_s),
        "starts_s": [*map(float, clip.starts_s)],
        "windows": [b64encode(each).decode("ascii") for each in samples],
    }


def _describe(request: Mapping[str, Any], _: Sequence[int]) -> Answer:
    import numpy as np  # noqa: PLC0415

    from trainer.audio.decode import DecodedClip  # noqa: PLC0415
    from trainer.features.extract import describe_clip  # noqa: PLC0415

    samples = (np.frombuffer(b64decode(each), "<f4") for each in request["windows"])
    windows = tuple(each.astype(np.float32) for each in samples)
    times = tuple(request["starts_s"]), request["duration_s"]
    clip = DecodedClip(windows, *times, request["rate_hz"])
    return _described(describe_clip(clip, Path(request["name"])))


def _predict(request: Mapping[str, Any], _: Sequence[int]) -> Answer:
    from trainer.features.vector_codec import unpack_many  # noqa: PLC0415

    bundle = _bundle(request["bundle"], request["digest"])
    packed = [b64decode(each) for each in (request["vector"], *request["windows"])]
    return _predicted(bundle, unpack_many(packed), request["starts_s"])


def _answered(features: ClipFeatures) -> Answer:
    return {
        "settings": features.key,
        "duration_s": float(features.duration_s),
        "vector": _encoded(features.vector),
    }


def _described(features: ClipFeatures) -> Answer:
    return _answered(features) | {
        "starts_s": [*map(float, features.starts_s)],
        "windows": [_encoded(window) for window in features.windows],
    }


def _encoded(vector: FloatArray) -> str:
    from trainer.features.vector_codec import pack  # noqa: PLC0415

    return b64encode(pack(vector)).decode("ascii")


def _transcode(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from trainer.audio.transcode import as_ogg  # noqa: PLC0415

    return {"sound": b64encode(as_ogg(_sound(request, files))).decode("ascii")}


def _prepare(request: Mapping[str, Any], _: Sequence[int]) -> Answer:
    """Publish the named bundle, or a usable one if there is none."""
    from trainer.bundles.registry import prepare  # noqa: PLC0415

    directory, manifest = prepare(Path(request["registry"]), request["name"])
    told = {"directory": str(directory), "manifest": manifest.model_dump_json()}
    return told | {"alone": is_alone()}


@cache
def _bundle(directory: str, digest: str) -> Bundle:
    from trainer.bundles.bundle import load  # noqa: PLC0415

    return load(Path(directory), digest=digest)


@cache
def _layers() -> list[str]:
    return confine(int(sys.argv[3]))


def _confine(_: Mapping[str, Any], __: Sequence[int]) -> Answer:
    return {"layers": _layers()}


def _warm(request: Mapping[str, Any], _: Sequence[int]) -> Answer:
    """Load what the first file would otherwise wait for."""
    import trainer.features.extract  # noqa: PLC0415

    del trainer
    _bundle(request["bundle"], request["digest"])
    return {}


def _tags(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    from daemon.tagging.basics.tag_jobs import FileReading  # noqa: PLC0415
    from daemon.tagging.parsing.tag_requests import answer  # noqa: PLC0415

    def read_by_ffmpeg(file: int, *, hashed: bool = True) -> FileReading:
        from trainer.audio.packets.ffmpeg_reading import read_back  # noqa: PLC0415

        return FileReading(**read_back(_sound(request, [file]), hashed=hashed))

    return answer(request, files, read_by_ffmpeg)


REQUESTS: Mapping[str, Callable[[Mapping[str, Any], Sequence[int]], Answer]] = {
    "identify": _identify,
    "read_back": _read_back,
    "credits": _credits,
    "transcode": _transcode,
    "analyse": _analyse,
    "extract": _extract,
    "decode": _decode,
    "describe": _describe,
    "predict": _predict,
    "prepare": _prepare,
    "warm": _warm,
    "tags_read": _tags,
    "tags_plan": _tags,
    "tags_prove": _tags,
    "confine": _confine,
}


def _answer(request: Mapping[str, Any], files: Sequence[int]) -> Answer:
    try:
        return REQUESTS[request["do"]](request, files)
    except UnreadableClip as error:
        return {"unreadable": error.reason}
    except UnusableClip as error:
        return {"unusable": error.reason}
    except BundleError as error:
        return {"bundle": str(error)}
    except MemoryError:
        return {"unreadable": NEEDS_MEMORY}
    except Exception as error:  # noqa: BLE001 - the service must get an answer whatever happens
        kind = "bundle" if request["do"] in {"prepare", "warm"} else "unreadable"
        # One line, for the view `failures` and the log.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        return {kind: f"{request['do']} failed: {reason}"}
    finally:
        for file in files:
            os.close(file)


def main() -> None:
    """Answer requests until the service closes the socket; end by SIGALRM if one takes too long."""
    # Ctrl-C reaches the whole process group, but the current file must be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(int(sys.argv[2]))
    channel = socket(fileno=int(sys.argv[1]))
    while True:
        try:
            request, files = receive_request(channel)
        except EOFError:
            return
        if request["do"] not in UNCONFINED:
            _layers()
        # The service enforces the limit; the alarm holds even when the service was killed.
        signal.alarm(request["limit_s"] + 10)
        answer = _answer(request, files)
        signal.alarm(0)
        try:
            send(channel, answer | {"number": request["number"]})
        except BrokenPipeError:
            # The service was killed meanwhile.
            return


if __name__ == "__main__":
    main()
