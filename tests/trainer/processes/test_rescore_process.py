"""The real process, on a real catalogue, with a fitted bundle."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from storage.schema.records import Analysis, CurvePoint, FeatureRecord, Prediction, TagState
from tests.catalogue_rows import CLIPS, CURVE_POINTS, PREDICTIONS, KnownSound, add_sounds
from tests.records import A_MINUTE, NOON, analysis
from tests.sounds import music_like, noise, tone, write_audio
from tests.trainer.regression.rated import small_draft, small_table
from trainer.audio.decode import decode_windows
from trainer.bundles import registry
from trainer.bundles.bundle import load, write_bundle
from trainer.features.extract import CANONICAL, describe_windows
from trainer.features.vector_codec import pack, unpack, unpack_many
from trainer.regression.joint import JointRegression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.rescoring import Rescoring
    from trainer.bundles.bundle import Bundle

OLD = "earlier-1"
PATIENCE_S = 300.0
GLANCE_S = 0.005
KILLS = 3
MANY = 9_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of few descriptors, which a process has loaded in no time."""
    table = small_table()
    draft = small_draft(table).model_copy(update={"hearing": CANONICAL.key})
    place = tmp_path_factory.mktemp("bundles") / "small-1"
    regression = JointRegression().fit(table)
    write_bundle(place, draft, regression, table, registry=place.parent)
    return place


@pytest.fixture(scope="module")
def bundle(directory: Path) -> Bundle:
    return load(directory)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'catalogue.db'}"


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(url)) as opened:
        yield opened


@contextmanager
def started(url: str, directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    # Not standing back: tests run on every core.
    line = [
        sys.executable,
        "-m",
        "trainer.processes.rescore_process",
        url,
        str(directory),
        "--nice",
        "0",
        *options,
    ]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(url: str, directory: Path, *options: str, exit_code: int = 0) -> str:
    with started(url, directory, *options) as process:
        output = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == exit_code, output
    return output


def fill(catalogue: Catalogue, count: int) -> np.ndarray:
    """Make sounds known, in one file each, and return their vectors."""
    drawing = np.random.default_rng(4)
    near = small_table().vectors[drawing.integers(0, 140, count)]
    packed = [pack(vector * drawing.normal(1, 0.2, vector.shape)) for vector in near]
    sounds = [
        KnownSound(f"sound {number}", Path(f"/m/sound {number}"), vector)
        for number, vector in enumerate(packed)
    ]
    values = Prediction(OLD, 0.1, 0.0, 0.0, -0.1, 0.0, 0.0, 0.0)
    curve = [CurvePoint(at, 0.1 + at / 100, -0.1) for at in (0.0, 5.0)]
    add_sounds(catalogue, sounds, settings=CANONICAL.key, prediction=values, curve=curve)
    return unpack_many(packed)


def read(catalogue: Catalogue, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(str(catalogue.engine.url.database))) as plain:
        return plain.execute(query).fetchall()


def assert_scored(catalogue: Catalogue, bundle: Bundle, vectors: np.ndarray) -> None:
    """Compare predictions, curves and tag states with what a fresh prediction says."""
    fresh = bundle.predict(vectors)
    columns = "arousal, arousal_low, arousal_high, valence, valence_low, valence_high, novelty"
    order = "ORDER BY cast(substr(identity, 7) AS INTEGER)"
    found = read(catalogue, f"SELECT bundle, {columns} FROM {PREDICTIONS} {order}")
    assert {row[0] for row in found} == {bundle.name}
    expected = np.stack([getattr(fresh, name) for name in columns.split(", ")], axis=1)
    np.testing.assert_allclose([row[1:] for row in found], expected, atol=1e-5)
    for at in (0.0, 5.0):
        curve = read(
            catalogue, f"SELECT arousal, valence FROM {CURVE_POINTS} WHERE start_s = {at} {order}"
        )
        moved = np.stack([fresh.arousal + at / 100, fresh.valence], axis=1)
        np.testing.assert_allclose(curve, np.clip(moved, -1, 1), atol=1e-3)
    off = np.abs(100 * expected[:, [0, 3]] - [10, -10]).max(axis=1)
    states = read(catalogue, f"SELECT tag_state FROM {CLIPS} {order}")
    for distance, (state,) in zip(off, states, strict=True):
        # A hair's breadth from the border, either is right.
        if abs(distance - 1.5) > 1e-3:
            assert state == ("pending" if distance > 1.5 else "written")


def test_every_sound_is_scored_again(
    catalogue: Catalogue, url: str, directory: Path, bundle: Bundle
) -> None:
    vectors = fill(catalogue, 2500)
    assert run(url, directory) == "2500 sounds scored again by small-1\n"
    assert_scored(catalogue, bundle, vectors)
    assert run(url, directory) == "0 sounds scored again by small-1\n"


def test_a_wider_step_leaves_more_tags_alone(
    catalogue: Catalogue, url: str, directory: Path
) -> None:
    fill(catalogue, 200)
    run(url, directory, "--step", "200")
    assert read(catalogue, "SELECT DISTINCT tag_state FROM clips") == [("written",)]


def test_killed_again_and_again_it_goes_on_where_it_was(
    catalogue: Catalogue, url: str, directory: Path, bundle: Bundle
) -> None:
    vectors = fill(catalogue, MANY)
    scores = catalogue.rescoring
    left = MANY
    for _ in range(KILLS):
        with started(url, directory) as process:
            _wait_until_fewer(scores, bundle.name, left)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        left, before = scores.outdated_count(bundle.name), left
        # Whole chunks or nothing.
        assert left % 1000 == 0
        assert 0 < left < before
    assert run(url, directory) == f"{left} sounds scored again by small-1\n"
    assert_scored(catalogue, bundle, vectors)


def test_others_write_meanwhile_and_nothing_of_theirs_is_lost(
    catalogue: Catalogue, url: str, directory: Path, bundle: Bundle
) -> None:
    vectors = fill(catalogue, 4000)
    written = 0
    with started(url, directory) as process:
        while written < 50 or (written < len(vectors) and process.poll() is None):
            # By turns a sound that is new, heard before the service had taken up the new bundle,
            # and one that is known, heard again after it had.
            by_now = OLD if written % 2 else bundle.name
            identity = f"new {written}" if written % 2 else f"sound {written}"
            _record(catalogue, identity, pack(vectors[written]), by_now)
            written += 1
        output = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, output
    # Whatever came in while it ended waits for the next time.
    run(url, directory)
    assert read(catalogue, f"SELECT DISTINCT bundle FROM {PREDICTIONS}") == [(bundle.name,)]
    kept = f"SELECT count(*), min(arousal), max(arousal) FROM {PREDICTIONS}"
    kept += " WHERE duration_s = 12.5 AND identity LIKE 'sound %'"
    assert read(catalogue, kept) == [(-(-written // 2), 0.875, 0.875)]
    expected = bundle.predict(vectors[1:written:2]).arousal
    new = f"SELECT arousal FROM {PREDICTIONS} WHERE identity LIKE 'new %'"
    new += " ORDER BY cast(substr(identity, 5) AS INTEGER)"
    np.testing.assert_allclose([row[0] for row in read(catalogue, new)], expected, atol=1e-5)


def test_a_damaged_vector_is_heard_again_and_stops_no_other(
    catalogue: Catalogue, url: str, directory: Path
) -> None:
    fill(catalogue, 20)
    wrong = (b"", b"\x01", b"\x02" + bytes(60), b"\x01" + bytes(58), "text")
    with catalogue.engine.begin() as connection:
        for number, value in enumerate(wrong):
            connection.exec_driver_sql(
                "UPDATE hearings SET vector = ? WHERE sound_id ="
                " (SELECT id FROM identities WHERE identity = ?)",
                (value, f"sound {number}"),
            )
    output = run(url, directory).splitlines()
    assert output == [
        "features of 5 sounds are damaged: 5 files are analysed again",
        "15 sounds scored again by small-1",
    ]
    assert len(catalogue.queued_stamps()) == 5
    assert read(catalogue, f"SELECT bundle, count(*) FROM {PREDICTIONS} GROUP BY 1 ORDER BY 1") == [
        (OLD, 5),
        ("small-1", 15),
    ]


def test_a_bundle_that_is_not_published_scores_nothing(
    catalogue: Catalogue, url: str, directory: Path
) -> None:
    fill(catalogue, 20)
    catalogue.bundles.record("small-2", "", {})
    output = run(url, directory, exit_code=1)
    assert "small-1: cannot record its predictions, since small-2 is published" in output
    assert output.count("\n") == 1
    assert read(catalogue, f"SELECT DISTINCT bundle FROM {PREDICTIONS}") == [(OLD,)]


@pytest.mark.usefixtures("catalogue")
def test_what_is_missing_is_reported_in_one_line(url: str, directory: Path, tmp_path: Path) -> None:
    for place, wrong_bundle, word in (
        (url, tmp_path / "none", "no bundle there"),
        (url, tmp_path, "manifest.json"),
        (f"sqlite:///{tmp_path / 'none.db'}", directory, "there is no catalogue"),
        ("nonsense", directory, "not a database URL"),
        (f"sqlite:///{directory / 'manifest.json'}", directory, "manifest.json"),
    ):
        output = run(place, wrong_bundle, exit_code=1)
        assert word in output
        assert output.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("options", [["--step", "0"], ["--step", "x"], ["--nice", "-5"]])
def test_wrong_options_are_wrong_usage(url: str, directory: Path, options: list[str]) -> None:
    assert "invalid" in run(url, directory, *options, exit_code=2)


def test_stored_features_predict_what_fresh_ones_do(tmp_path: Path) -> None:
    starter = load(registry.prepare(tmp_path / "bundles")[0])
    for name, sound in (("tone", tone(20.0)), ("noise", noise(3.0)), ("music", music_like(30.0))):
        path = tmp_path / f"{name}.flac"
        write_audio(path, sound)
        clip = decode_windows(path, CANONICAL)
        fresh = describe_windows(clip.windows, clip.rate_hz, path).mean(axis=0)
        stored = unpack(pack(fresh))
        output = starter.predict(np.stack([fresh, stored]))
        assert abs(output.arousal[0] - output.arousal[1]) < 0.005
        assert abs(output.valence[0] - output.valence[1]) < 0.005


def _record(catalogue: Catalogue, identity: str, vector: bytes, by: str) -> None:
    path, stamp = Path(f"/n/{identity}"), FileStamp(1, 1, 1)
    catalogue.queue.put([(path, stamp)], NOON)
    entry = catalogue.queue.claim(NOON + A_MINUTE)
    assert entry is not None
    hearing = FeatureRecord(identity, CANONICAL.key, 12.5, vector)
    prediction = analysis(identity, 0.875, 0.875, bundle=by).prediction
    found = Analysis(hearing, prediction, [CurvePoint(0.0, 0.875, 0.875)])
    catalogue.record(entry, identity, TagState.OFF, NOON + A_MINUTE, found)


def _wait_until_fewer(scores: Rescoring, bundle: str, count: int) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while scores.outdated_count(bundle) >= count:
        assert time.monotonic() < until_s
        time.sleep(GLANCE_S)
