"""The parts of the analysis of a sound, for sounds whose features another machine extracts.

Every function raises as `WorkerClient.ask` does.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from daemon.worker.worker_answers import features_in, prediction_in, seconds_in
from storage.schema.records import Analysis, FeatureRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from daemon.worker.active_bundle import ActiveBundle
    from daemon.worker.worker_client import WorkerClient
    from trainer.audio.sound_file import SoundFile

    Answer = Mapping[str, Any]

MOST_WINDOWS: Final = 16
_MOST_SAMPLES_BYTES: Final = 16 << 20
_RATES_HZ: Final = range(1000, 200_000)


@dataclass(frozen=True)
class DecodedSound:
    """What hearing needs of a file: its windows.

    Attributes:
        rate_hz: sampling rate.
        duration_s: of the whole file.
        starts_s: where each window begins.
        windows: the samples of each, mono, float32, little-endian; all of one length.
    """

    rate_hz: int
    duration_s: float
    starts_s: Sequence[float]
    windows: Sequence[bytes]


@dataclass(frozen=True)
class DescribedSound:
    """The features of a sound, which no bundle has seen yet.

    Attributes:
        features: of the whole sound.
        starts_s: where each window begins.
        windows: the packed vector of each.
    """

    features: FeatureRecord
    starts_s: Sequence[float]
    windows: Sequence[bytes]


def described_in(answer: Answer, identity: str) -> DescribedSound:
    """Return the features in an answer about the sound of this identity; raises `INVALID`."""
    features, windows = features_in(answer, identity)
    return DescribedSound(features, _starts_in(answer, len(windows)), windows)


def decoded_in(answer: Answer) -> DecodedSound:
    """Return the decoded windows in an answer; raises `INVALID`."""
    rate_hz, texts = answer["rate_hz"], answer["windows"]
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int) or rate_hz not in _RATES_HZ:
        raise ValueError("no sampling rate")
    windows = [b64decode(text, validate=True) for text in texts]
    lengths = {len(window) for window in windows}
    if len(lengths) != 1 or lengths.pop() % 4 or sum(map(len, windows)) > _MOST_SAMPLES_BYTES:
        raise ValueError("no windows of one length")
    starts_s = _starts_in(answer, len(windows))
    return DecodedSound(rate_hz, seconds_in(answer["duration_s"]), starts_s, windows)


def _starts_in(answer: Answer, windows: int) -> list[float]:
    starts_s = [seconds_in(each) for each in answer["starts_s"]]
    if not 0 < len(starts_s) == windows <= MOST_WINDOWS:
        raise ValueError("other times than windows")
    return starts_s


def decode(worker: WorkerClient, file: SoundFile) -> DecodedSound:
    """Decode the windows of a file."""
    return worker.ask(file.path, decoded_in, {"do": "decode"}, [file.descriptor])


def extract(worker: WorkerClient, file: SoundFile, identity: str) -> Answer:
    """Return the answer about the features of a file, which `described_in` reads."""
    parse = partial(_as_described, identity=identity)
    return worker.ask(file.path, parse, {"do": "extract"}, [file.descriptor])


def describe(worker: WorkerClient, path: Path, sound: DecodedSound) -> Answer:
    """Return the answer about the features of decoded windows, which `described_in` reads."""
    request = {
        "do": "describe",
        "rate_hz": sound.rate_hz,
        "duration_s": sound.duration_s,
        "starts_s": [*sound.starts_s],
        "windows": [*map(_text, sound.windows)],
    }
    # Which sound it is, only its bytes tell; nothing in the answer depends on it.
    return worker.ask(path, partial(_as_described, identity=""), request, [])


def predict(
    worker: WorkerClient, path: Path, sound: DescribedSound, bundle: ActiveBundle
) -> Analysis:
    """Predict the affect of a described sound, and that of each window.

    Raises:
        BundleError: the bundle cannot be used.
    """
    worker.warm(bundle)
    request = {
        "do": "predict",
        "bundle": str(bundle.directory.absolute()),
        "digest": bundle.digest,
        "vector": _text(sound.features.vector),
        "starts_s": [*sound.starts_s],
        "windows": [*map(_text, sound.windows)],
    }
    prediction, curve = worker.ask(path, partial(prediction_in, bundle=bundle.name), request, [])
    return Analysis(sound.features, prediction, curve)


def _as_described(answer: Answer, identity: str) -> Answer:
    described_in(answer, identity)
    return answer


def _text(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")
