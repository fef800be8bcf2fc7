from __future__ import annotations

import copy
import math
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.worker.worker_answers import (
    INVALID,
    analysis_in,
    credits_in,
    features_in,
    identity_in,
    refusal_in,
)
from storage.schema.records import CurvePoint, FeatureRecord, Prediction
from trainer.features.packed_vector import VALUES
from trainer.features.vector_codec import pack
from trainer.trainer_errors import BundleError, UnreadableClip, UnusableClip

PACKED = pack(np.linspace(-2.0, 2.0, VALUES, dtype=np.float32))
VECTOR = b64encode(PACKED).decode()
SHORTER = b64encode(pack(np.zeros(VALUES - 1, dtype=np.float32))).decode()
FEATURES: dict[str, Any] = {"settings": "set/12800Hz/1", "duration_s": 2.5, "vector": VECTOR}
PREDICTED = {
    "arousal": 0.5,
    "arousal_low": -1.0,
    "arousal_high": 1,
    "valence": -0.25,
    "valence_low": -0.5,
    "valence_high": 0.0,
    "novelty": 3.0,
    "kind": "voice",
    "kind_probability": 0.75,
}
POINT = {"start_s": 0.0, "arousal": 1.0, "valence": -1.0}
ANALYSIS = FEATURES | {"prediction": PREDICTED, "windows": [POINT]}
RECORD = FeatureRecord("ab12", "set/12800Hz/1", 2.5, PACKED)
NO_NUMBERS: list[object] = [None, True, "0.5", [], math.nan]


def test_a_valid_analysis_is_read() -> None:
    analysis = analysis_in(ANALYSIS, "ab12", "starter")
    assert analysis.features == RECORD
    assert analysis.prediction == Prediction(
        "starter", 0.5, -1.0, 1.0, -0.25, -0.5, 0.0, 3.0, "voice", 0.75
    )
    assert analysis.curve == [CurvePoint(0.0, 1.0, -1.0)]


def test_valid_features_are_read() -> None:
    answer = FEATURES | {"windows": [VECTOR, VECTOR]}
    assert features_in(answer, "ab12") == (RECORD, [PACKED, PACKED])


def test_artist_and_title_are_each_one_line() -> None:
    hostile = {"artist": " Ann\n#EXTM3U", "title": "\x1b[2Jé"}
    assert credits_in(hostile) == ("Ann\\n#EXTM3U", "\\x1b[2Jé")


@pytest.mark.parametrize("artist", [None, 7, ["a"], "a" * 10_000])
def test_what_is_no_artist_is_refused(artist: object) -> None:
    with pytest.raises(INVALID):
        credits_in({"artist": artist, "title": "x"})


@pytest.mark.parametrize("identity", [None, 7, "", "ab/12", "ab\n", ["ab"], "a" * 40_000_000])
def test_what_is_no_hash_is_refused(identity: object) -> None:
    with pytest.raises(INVALID):
        identity_in({"identity": identity})


@pytest.mark.parametrize(
    ("where", "values"),
    [
        (("settings",), [None, 7, "", "a\nb", "x" * 201]),
        (("duration_s",), [*NO_NUMBERS, -0.1, math.inf]),
        (("vector",), [None, 7, "", "!!!!", "AAAA" + VECTOR, VECTOR[4:], SHORTER]),
        (("prediction",), [None, [], {}, PREDICTED | {"bundle": "other"}]),
        (("prediction", "arousal"), [*NO_NUMBERS, 1.001, -math.inf]),
        (("prediction", "valence_low"), [*NO_NUMBERS, -1.001]),
        (("prediction", "novelty"), [*NO_NUMBERS, -0.1, math.inf]),
        (("prediction", "kind"), [None, 7, "", "noise", ["music"], "music\n"]),
        (("prediction", "kind_probability"), [*NO_NUMBERS, -0.1, 1.1]),
        (("windows",), [None, 7, [None], [{}]]),
        (("windows", 0, "start_s"), [*NO_NUMBERS, -0.1, math.inf]),
        (("windows", 0, "valence"), [*NO_NUMBERS, 2]),
    ],
    ids=str,
)
def test_an_analysis_that_cannot_be_right_is_refused(
    where: tuple[str | int, ...], values: list[object]
) -> None:
    for value in values:
        answer: Any = copy.deepcopy(ANALYSIS)
        part = answer
        for step in where[:-1]:
            part = part[step]
        part[where[-1]] = value
        with pytest.raises(INVALID):
            analysis_in(answer, "ab12", "starter")


@pytest.mark.parametrize("name", ["settings", "duration_s", "vector", "prediction", "windows"])
def test_an_analysis_without_one_of_its_parts_is_refused(name: str) -> None:
    answer = {key: value for key, value in ANALYSIS.items() if key != name}
    with pytest.raises(LookupError):
        analysis_in(answer, "ab12", "starter")


SONG = Path("song.mp3")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"unreadable": "is damaged"}, UnreadableClip),
        ({"unusable": "is silent"}, UnusableClip),
        ({"bundle": "is missing"}, BundleError),
        ({"identity": "ab12"}, type(None)),
    ],
)
def test_a_refusal_is_read(answer: Any, kind: type) -> None:
    assert type(refusal_in(answer, SONG, reads_file=False)) is kind


def test_a_reason_is_one_line_without_control_characters() -> None:
    found = refusal_in({"unreadable": "a\n\x1b[2Jb\u202e"}, SONG, reads_file=True)
    assert str(found) == "song.mp3: a\ufffd\ufffd[2Jb\ufffd"


@pytest.mark.parametrize(
    "answer",
    [
        {"bundle": "stops all work, says a process that reads files"},
        {"unreadable": 7},
        {"unreadable": ""},
        {"unreadable": "x" * 40_000_000},
        {"unreadable": "is damaged", "identity": "ab12"},
    ],
    ids=lambda answer: str(answer)[:40],
)
def test_a_refusal_that_cannot_be_right_is_refused(answer: Any) -> None:
    with pytest.raises(INVALID):
        refusal_in(answer, SONG, reads_file=True)
