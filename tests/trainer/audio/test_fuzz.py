"""The short form of `bench/fuzz/fuzz_workers.py`; the counts of the long one are in the docs."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bench.fuzz.fuzz_workers import (
    ANALYSED,
    NEVER,
    TIMED_OUT,
    Tally,
    endings_of,
    run,
    starter_in,
    table,
)
from bench.fuzz.good_files import good_files
from bench.fuzz.mutations import DAMAGES, damaged
from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS

if TYPE_CHECKING:
    from pathlib import Path

    from bench.fuzz.good_files import Sample
    from daemon.worker.active_bundle import ActiveBundle

SEED = 20161
INPUTS = 400

Samples = tuple[list["Sample"], list["Sample"]]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return good_files(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ActiveBundle:
    return starter_in(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_what_is_damaged_was_good(samples: Samples, scratch: Path, bundle: ActiveBundle) -> None:
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        for sample in (*samples[0], *samples[1]):
            path = scratch / f"good.{sample.kind}"
            path.write_bytes(sample.content)
            endings = endings_of(worker, path, bundle)
            if sample.decodable:
                assert endings == [ANALYSED], sample.kind
            else:
                # Demuxed and identified, but nothing can be decoded.
                assert [ending.partition(":")[0] for ending in endings] == ["unusable"], sample.kind


def test_a_seed_makes_the_same_inputs_on_every_run(samples: Samples, tmp_path: Path) -> None:
    again = good_files(tmp_path)
    for number in range(50):
        assert damaged(1, number, *samples) == damaged(1, number, *again)


def test_no_damage_fails_on_nothing_or_next_to_nothing(samples: Samples) -> None:
    empty = [sample._replace(content=b"") for sample in samples[0]]
    one = [sample._replace(content=b"R") for sample in samples[0]]
    for number in range(200):
        damaged(SEED, number, empty, one)


def test_damaged_and_hostile_files_end_with_a_reason_and_do_no_harm(
    samples: Samples, scratch: Path, tmp_path: Path, bundle: ActiveBundle
) -> None:
    make = partial(damaged, SEED, short=samples[0], long=samples[1])
    tally = run(range(INPUTS), make, scratch, tmp_path, bundle, WORKER_LIMITS)
    assert tally.inputs == INPUTS
    assert {ending: tally.endings[ending] for ending in NEVER} == dict.fromkeys(NEVER, 0)
    assert (tally.deaths, tally.endings[TIMED_OUT], tally.endings["unexpected"]) == (0, 0, 0)
    # Damage that spares everything, or nothing, would test nothing.
    assert INPUTS / 10 < tally.endings[ANALYSED] < INPUTS * 9 / 10
    assert {name for name, _ in DAMAGES} <= set(tally.damages)
    assert not list(scratch.iterdir())


def test_the_table_names_what_must_never_happen_even_when_it_did_not() -> None:
    shown = table(Tally(inputs=3))
    for ending in NEVER:
        assert f"| **never:** {ending} | 0 |" in shown
    assert "| **inputs sent** | 3 |" in shown


def test_the_slowest_inputs_are_named_whichever_worker_had_them() -> None:
    one, other = Tally(inputs=30), Tally(inputs=1)
    for number in range(30):
        one.timed((number / 10, number))
    other.timed((9.6, 99))
    one.add(other)
    assert one.slowest[:2] == [(9.6, 99), (2.9, 29)]
    assert len(one.slowest) == 20
    assert "| slowest input, in seconds | 9.6 |" in table(one)
