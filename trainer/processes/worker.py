"""A process of its own that reads sound, so that a bad file can harm nobody else.

Run as `python -m trainer.processes.worker DESCRIPTOR NICE MEMORY_MIB`: requests and answers are
JSON messages over the inherited socket. The answers are plain text and numbers on purpose: the
service must be able to read them without trusting a process that has just decoded somebody's file.

| request | answer |
| --- | --- |
| `{"do": "identify", "path": P}` | `{"identity": H}` |
| `{"do": "read_back", "path": P, "hashed": H}` | `{"audio_hash": H, "metadata": [[…], …]}` |
| `{"do": "hear", "path": P}` | `{"settings", "duration_s", "vector", "windows", "starts_s"}` |
| `{"do": "prepare", "registry": D}` | `{"directory", "manifest"}` |
| `{"do": "predict", "bundle": D, "vectors": [V, …]}` | `{"name", "predictions": [{…}, …]}` |

Each answer also tells by `confined` whether the kernel keeps this process from writing; null as
long as nothing was read.

Vectors travel packed (`trainer.features.vector_codec`), in base64. A clip that cannot be used is
answered by `{"unreadable": reason}` or `{"unusable": reason}`, a bundle that cannot by `{"bundle":
reason}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from base64 import b64decode, b64encode
from dataclasses import asdict
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.audio.sandbox import confine
from trainer.trainer_errors import NEEDS_MEMORY, BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.bundles.bundle import Bundle

Answer = dict[str, Any]


def _identify(request: Mapping[str, Any]) -> Answer:
    from trainer.audio.fingerprint import identify  # noqa: PLC0415 - each request loads only what it needs

    return {"identity": identify(Path(request["path"]))}


def _read_back(request: Mapping[str, Any]) -> Answer:
    from trainer.audio.ffmpeg_reading import read_back  # noqa: PLC0415

    return read_back(Path(request["path"]), hashed=bool(request["hashed"]))


def _hear(request: Mapping[str, Any]) -> Answer:
    from trainer.features.extract import CANONICAL, extract_features  # noqa: PLC0415
    from trainer.features.vector_codec import pack  # noqa: PLC0415

    heard = extract_features(Path(request["path"]))
    return {
        "settings": CANONICAL.key,
        "duration_s": float(heard.duration_s),
        "vector": _text(pack(heard.vector)),
        "windows": [_text(pack(window)) for window in heard.windows],
        "starts_s": [float(start) for start in heard.starts_s],
    }


def _predict(request: Mapping[str, Any]) -> Answer:
    import numpy as np  # noqa: PLC0415

    from trainer.features.vector_codec import unpack  # noqa: PLC0415

    bundle = _bundle(request["bundle"])
    vectors = np.stack([unpack(b64decode(text)) for text in request["vectors"]])
    predicted = asdict(bundle.predict(vectors))
    rows = zip(*(map(float, column) for column in predicted.values()), strict=True)
    return {
        "name": bundle.name,
        "predictions": [dict(zip(predicted, row, strict=True)) for row in rows],
    }


def _prepare(request: Mapping[str, Any]) -> Answer:
    """Put a usable bundle in service, fitted again if libraries have changed."""
    from trainer.bundles.registry import prepare  # noqa: PLC0415

    directory, manifest = prepare(Path(request["registry"]))
    return {"directory": str(directory), "manifest": manifest.model_dump_json()}


@cache
def _bundle(directory: str) -> Bundle:
    from trainer.bundles.bundle import load  # noqa: PLC0415

    return load(Path(directory))


def _warm(request: Mapping[str, Any]) -> Answer:
    """Load what the first real request would otherwise wait for."""
    import trainer.features.extract  # noqa: PLC0415
    from trainer.features import opensmile  # noqa: PLC0415

    del trainer, opensmile
    _bundle(request["bundle"])
    return {}


def _text(packed: bytes) -> str:
    return b64encode(packed).decode("ascii")


REQUESTS: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
    "identify": _identify,
    "read_back": _read_back,
    "hear": _hear,
    "predict": _predict,
    "prepare": _prepare,
    "warm": _warm,
}


READS_FILES = frozenset({"identify", "read_back", "hear"})
"""What may meet a hostile file; before the first of these, the process is confined."""


def _answer(request: Mapping[str, Any]) -> Answer:
    try:
        return REQUESTS[request["do"]](request)
    except UnreadableClip as error:
        return {"unreadable": error.reason}
    except UnusableClip as error:
        return {"unusable": error.reason}
    except BundleError as error:
        return {"bundle": str(error)}
    except MemoryError:
        return {"unreadable": NEEDS_MEMORY}
    except Exception as error:  # noqa: BLE001 - the other end must be told, whatever it is
        blamed = "bundle" if request["do"] in {"prepare", "warm"} else "unreadable"
        # One line, for the view `failures` and the log.
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return {blamed: f"{request['do']} failed: {said}"}


def main() -> None:
    """Answer requests until the other end closes; end by alarm when one takes too long."""
    # Ctrl-C reaches the whole process group, but what is in hand shall be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(int(sys.argv[2]))
    is_confined: bool | None = None
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        if request["do"] in READS_FILES and is_confined is None:
            is_confined = confine(int(sys.argv[3]))
        # The parent enforces the limit; this holds even when the parent was killed.
        signal.alarm(request["limit_s"] + 10)
        answer = _answer(request) | {"confined": is_confined}
        signal.alarm(0)
        try:
            connection.send_bytes(json.dumps(answer).encode("ascii"))
        except BrokenPipeError:
            # Whoever asked was killed meanwhile.
            return


if __name__ == "__main__":
    main()
