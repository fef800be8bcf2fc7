"""The parts of an analysis that several machines share give what one worker gives."""

from __future__ import annotations

import copy
import math
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daemon.worker.active_bundle import ActiveBundle
from daemon.worker.split_analysis import (
    MOST_WINDOWS,
    DecodedSound,
    decode,
    decoded_in,
    describe,
    described_in,
    extract,
    predict,
)
from daemon.worker.worker_answers import INVALID
from daemon.worker.worker_client import WorkerClient
from tests.daemon.worker.test_worker_answers import FEATURES, NO_NUMBERS, PACKED, RECORD, VECTOR
from tests.records import WORKER_LIMITS
from tests.sounds import music_like, write_audio
from trainer.audio.sound_file import opened
from trainer.bundles.bundle import authenticated
from trainer.bundles.registry import prepare
from trainer.trainer_errors import UnusableClip

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = b64encode(bytes(4 * 12800)).decode()
DECODED: dict[str, Any] = {
    "rate_hz": 12800,
    "duration_s": 2.0,
    "starts_s": [0.0, 1.0],
    "windows": [SAMPLES, SAMPLES],
}
DESCRIBED = FEATURES | {"starts_s": [0.5], "windows": [VECTOR]}


def test_the_parts_give_the_very_analysis_of_one_worker(tmp_path: Path) -> None:
    directory, manifest = prepare(tmp_path / "bundles")
    digest = authenticated(directory)[1]
    bundle = ActiveBundle(directory, manifest.name, manifest.hearing, digest)
    path = write_audio(tmp_path / "a.flac", music_like(20))
    with closing(WorkerClient(WORKER_LIMITS)) as worker, opened(path) as file:
        worker.expect(bundle)
        identity = worker.identify(file)
        whole = worker.analyse(file, identity, bundle)
        extracted = extract(worker, file, identity)
        answer = describe(worker, path, decode(worker, file))
        assert answer == extracted
        assert predict(worker, path, described_in(answer, identity), bundle) == whole
        with pytest.raises(UnusableClip, match="silence"):
            describe(worker, path, decoded_in(DECODED))


def test_valid_parts_are_read() -> None:
    described = described_in(DESCRIBED, "ab12")
    assert (described.features, described.starts_s, described.windows) == (RECORD, [0.5], [PACKED])
    silence = np.zeros(12800, "<f4").tobytes()
    assert decoded_in(DECODED) == DecodedSound(12800, 2.0, [0.0, 1.0], [silence, silence])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rate_hz", [*NO_NUMBERS, 0, -1, 12800.0, 10**9]),
        ("duration_s", [*NO_NUMBERS, -1.0, math.inf]),
        ("starts_s", [None, 7, [], [0.0], [0.0, "1"], [0.0, math.inf], [0.0] * 3]),
        ("windows", [None, 7, [], [SAMPLES], [SAMPLES, "AAAA"], ["AAAA"] * 2, [SAMPLES, "!"]]),
    ],
)
def test_windows_that_cannot_be_right_are_refused(name: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(INVALID):
            decoded_in(copy.deepcopy(DECODED) | {name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"starts_s": [0.5, 1.0]},
        {"starts_s": [math.nan]},
        {"starts_s": []},
        {"windows": []},
        {"starts_s": [0.0] * (MOST_WINDOWS + 1), "windows": [VECTOR] * (MOST_WINDOWS + 1)},
        {"windows": [VECTOR[4:]]},
    ],
    ids=lambda change: str(change)[:40],
)
def test_descriptions_that_cannot_be_right_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        described_in(DESCRIBED | change, "ab12")
