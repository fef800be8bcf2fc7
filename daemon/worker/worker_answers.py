"""Checks the answers of a worker: a hostile file may have taken its process over.

Every function raises one of `INVALID` for an answer that cannot be right.
"""

from __future__ import annotations

import re
import sys
from base64 import b64decode
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from daemon.paths import printable
from daemon.tagging.basics.tag_jobs import FileReading
from storage.schema.records import SOUND_KINDS, Analysis, CurvePoint, FeatureRecord, Prediction
from trainer.features.packed_vector import VALUES, is_packed
from trainer.trainer_errors import BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainer.trainer_errors import ClipError

    Answer = Mapping[str, Any]

INVALID: Final = (AttributeError, LookupError, TypeError, ValueError)

_LARGEST: Final = sys.float_info.max
_LONGEST_REASON: Final = 2000
_PREDICTED: Final = {field.name for field in fields(Prediction)} - {"bundle"}
_NOT_AFFECT: Final = {"novelty", "kind", "kind_probability"}


def refusal_in(answer: Answer, path: Path, *, reads_file: bool) -> ClipError | BundleError | None:
    """Return the error that an answer reports of a file or of a bundle; None for a result.

    A process that reads files has its bundle already: that one is bad would stop all work.
    """
    kind = next((kind for kind in ("unreadable", "unusable", "bundle") if kind in answer), None)
    if kind is None:
        return None
    reason = answer[kind]
    if len(answer) > 1 or (reads_file and kind == "bundle"):
        raise ValueError("another answer than was requested")
    if not isinstance(reason, str) or not 0 < len(reason) <= _LONGEST_REASON:
        raise ValueError("no reason")
    reason = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in reason)
    if kind == "bundle":
        return BundleError(reason)
    return UnreadableClip(path, reason) if kind == "unreadable" else UnusableClip(path, reason)


def identity_in(answer: Answer) -> str:
    """Return the hash of the audio packets."""
    return hash_in(answer["identity"])


def reading_in(answer: Answer) -> FileReading:
    """Return what ffmpeg reads of a file."""
    audio_hash, metadata = answer["audio_hash"], answer["metadata"]
    items = None if metadata is None else [tuple(map(str, item)) for item in metadata]
    return FileReading(None if audio_hash is None else hash_in(audio_hash), items)


def credits_in(answer: Answer) -> tuple[str, str]:
    """Return artist and title of a file, each on one line."""
    artist, title = (answer[name] for name in ("artist", "title"))
    if not all(isinstance(text, str) and len(text) <= _LONGEST_REASON for text in (artist, title)):
        raise ValueError("no artist and title")
    return printable(artist.strip()), printable(title.strip())


def features_in(answer: Answer, identity: str) -> tuple[FeatureRecord, list[bytes]]:
    """Return the features of the sound of this identity, and the packed ones of each window."""
    return _features(answer, identity), [_vector(window) for window in answer["windows"]]


def analysis_in(answer: Answer, identity: str, bundle: str) -> Analysis:
    """Return the features, the prediction by a bundle of this name, and the curve of a sound."""
    return Analysis(_features(answer, identity), *prediction_in(answer, bundle))


def prediction_in(answer: Answer, bundle: str) -> tuple[Prediction, list[CurvePoint]]:
    """Return the prediction by a bundle of this name, and the curve of a sound."""
    predicted = answer["prediction"]
    if predicted.keys() != _PREDICTED:
        raise ValueError("other values than were requested")
    kind = predicted["kind"]
    if kind not in SOUND_KINDS:
        raise ValueError("no kind of sound")
    probability = _number(predicted["kind_probability"], 0.0, 1.0)
    novelty = _number(predicted["novelty"], 0.0, _LARGEST)
    values = {name: _number(predicted[name]) for name in _PREDICTED - _NOT_AFFECT}
    curve = [
        CurvePoint(
            seconds_in(window["start_s"]), _number(window["arousal"]), _number(window["valence"])
        )
        for window in answer["windows"]
    ]
    prediction = Prediction(
        bundle=bundle, novelty=novelty, kind=kind, kind_probability=probability, **values
    )
    return prediction, curve


def _features(answer: Answer, identity: str) -> FeatureRecord:
    settings = answer["settings"]
    if not re.fullmatch("[!-~]{1,200}", settings):
        raise ValueError("no key of feature settings")
    duration_s = seconds_in(answer["duration_s"])
    return FeatureRecord(identity, settings, duration_s, _vector(answer["vector"]))


def seconds_in(value: object) -> float:
    """Return a number of seconds, finite and not negative."""
    return _number(value, 0.0, _LARGEST)


def hash_in(text: str) -> str:
    """Return a hash in hexadecimal digits."""
    if not re.fullmatch("[0-9a-f]{4,64}", text):
        raise ValueError("no hash")
    return text


def _vector(text: str) -> bytes:
    packed = b64decode(text, validate=True)
    if not is_packed(packed, VALUES):
        raise ValueError("no packed vector")
    return packed


def _number(value: object, lowest: float = -1.0, highest: float = 1.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("no number")
    # NaN compares as false.
    if not lowest <= value <= highest:
        raise ValueError("out of range")
    return float(value)
