from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import wave
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from daemon.worker import worker_client
from daemon.worker.active_bundle import ActiveBundle
from daemon.worker.running_worker import RunningWorker
from daemon.worker.worker_channel import send
from daemon.worker.worker_client import WorkerClient
from storage.schema.records import CurvePoint, FeatureRecord, Prediction
from tests.daemon.tagging.readers import ffmpeg_reader
from tests.daemon.tagging.sounds import sound_file
from tests.driving import PATIENCE_S
from tests.records import WORKER_LIMITS
from tests.sounds import music_like, write_audio
from trainer.bundles.bundle import authenticated, load
from trainer.bundles.registry import prepare
from trainer.features.extract import CANONICAL, extract_features
from trainer.features.vector_codec import pack, unpack
from trainer.trainer_errors import BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def worker() -> Iterator[WorkerClient]:
    with closing(WorkerClient(WORKER_LIMITS)) as started:
        yield started


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    seconds = np.arange(16000 * 2) / 16000
    samples = (np.sin(2 * np.pi * 440 * seconds) * 8000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def process_of(worker: WorkerClient) -> int:
    assert worker._running is not None
    return worker._running.process.pid


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ActiveBundle:
    directory, manifest = prepare(tmp_path_factory.mktemp("bundles"))
    return ActiveBundle(directory, manifest.name, manifest.hearing, authenticated(directory)[1])


def test_a_worker_extracts_the_features_that_this_process_would(
    worker: WorkerClient, tone: Path
) -> None:
    identity = worker.identify(tone)
    record, windows = worker.extract(tone, identity)
    features = extract_features(tone)
    assert record == FeatureRecord(
        identity, CANONICAL.key, features.duration_s, pack(features.vector)
    )
    assert record.duration_s == pytest.approx(2.0, abs=0.01)
    assert windows == [pack(window) for window in features.windows]


def test_a_worker_reads_back_what_a_tag_write_must_leave(
    worker: WorkerClient, tmp_path: Path
) -> None:
    path = sound_file(tmp_path, "flac")
    reading = worker.read_back(path)
    assert reading == ffmpeg_reader(path)
    assert worker.read_back(path, hashed=False) == reading._replace(audio_hash=None)


@pytest.mark.parametrize("seconds", [2, 30])
def test_an_analysis_equals_features_and_bundle_in_this_process_bit_for_bit(
    worker: WorkerClient, bundle: ActiveBundle, tmp_path: Path, seconds: int
) -> None:
    file = write_audio(tmp_path / "a.wav", music_like(seconds))
    identity = worker.identify(file)
    analysis = worker.analyse(file, identity, bundle)
    features = extract_features(file)
    stored = [unpack(pack(vector)) for vector in (features.vector, *features.windows)]
    # As a worker is started; another number of threads may round otherwise.
    with threadpool_limits(1):
        predicted = load(bundle.directory).predict(np.stack(stored))
    assert analysis.features == FeatureRecord(
        identity, CANONICAL.key, features.duration_s, pack(features.vector)
    )
    columns = {name: column.tolist() for name, column in asdict(predicted).items()}
    assert analysis.prediction == Prediction(
        bundle=bundle.name, **{name: column[0] for name, column in columns.items()}
    )
    points = zip(features.starts_s, columns["arousal"][1:], columns["valence"][1:], strict=True)
    assert list(analysis.curve) == [CurvePoint(*point) for point in points]


def test_a_bundle_that_cannot_be_used_is_not_the_fault_of_the_file(
    worker: WorkerClient, tone: Path, tmp_path: Path
) -> None:
    missing = ActiveBundle(tmp_path / "missing", "missing", CANONICAL.key, "")
    with pytest.raises(BundleError, match="missing"):
        worker.analyse(tone, "abc", missing)


LYING = """
import os, socket, sys, time
from daemon.worker.worker_channel import receive_request
channel = socket.socket(fileno=int(sys.argv[1]))
request, files = receive_request(channel)
number = request["number"]
def framed(text, length=None):
    return (len(text) if length is None else length).to_bytes(4, "big") + text.encode()
right = f'{{"number": "{number}", "identity": "IDENTITY"}}'
STORY
receive_request(channel)
"""
NONSENSE = ["7", "[" * 100_000, "{", "{}", "", '{"identity": 7}', '{"number": "0"}']
STORIES = {
    **{f"answers {text[:16]!r}": f"channel.sendall(framed({text!r}))" for text in NONSENSE},
    "has no identity": "channel.sendall(framed('{\"number\": \"' + number + '\"}'))",
    "has one like a path": "channel.sendall(framed(right.replace('IDENTITY', '../x')))",
    "has one of 40 MB": "channel.sendall(framed(right.replace('IDENTITY', 'a' * 40_000_000)))",
    "blames the bundle": "channel.sendall(framed(right.replace('identity', 'bundle')))",
    "has another number": "channel.sendall(framed(right.replace(number, '0' * 16)))",
    "stops in the length": "channel.sendall(b'\\0\\0'); channel.close(); os._exit(0)",
    "stops half way": "channel.sendall(framed(right)[:-4]); channel.close(); os._exit(0)",
    "promises too much": "channel.sendall(framed(right, 2**31))",
    "hangs half way": "channel.sendall(framed(right)[:-4])",
    "sends an open file": "socket.send_fds(channel, [framed(right)], files)",
    "does not listen": "time.sleep(3600)",
}


def lie(worker: WorkerClient, story: str, identity: str = "ab" * 16) -> subprocess.Popen[bytes]:
    """Put a lying process in the place of a worker's."""
    ours, theirs = socket.socketpair()
    code = LYING.replace("STORY", story).replace("IDENTITY", identity)
    with theirs:
        lying = subprocess.Popen(
            [sys.executable, "-c", code, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    worker.close()
    worker._running = RunningWorker(lying, ours, is_confined=True)
    return lying


@pytest.mark.parametrize("story", STORIES)
def test_a_worker_that_lies_costs_its_file_one_try_and_is_replaced(
    worker: WorkerClient, tone: Path, story: str
) -> None:
    identity = worker.identify(tone)
    lying = lie(worker, STORIES[story])
    if story in {"hangs half way", "does not listen"}:
        worker._limits = WORKER_LIMITS.model_copy(update={"timeout_s": 2.0})
    with pytest.raises(UnreadableClip, match=r"the worker that read it|no result within"):
        worker.identify(tone)
    assert lying.returncode is not None
    worker._limits = WORKER_LIMITS
    assert worker.identify(tone) == identity


def test_what_a_worker_says_unasked_is_never_the_answer_about_the_next_file(
    worker: WorkerClient, tone: Path
) -> None:
    identity = worker.identify(tone)
    lying = lie(worker, "channel.sendall(framed(right) * 2)")
    # This one cannot be known to be wrong.
    assert worker.identify(tone) == "ab" * 16
    assert worker.identify(tone) == identity
    assert lying.returncode is not None


def test_a_file_that_is_no_sound_is_refused_and_the_worker_continues(
    worker: WorkerClient, tone: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("this is a letter, not a song\n" * 50)
    before = worker.identify(tone)
    process = process_of(worker)
    with pytest.raises(UnreadableClip) as caught:
        worker.identify(text)
    assert caught.value.path == text
    assert "\n" not in caught.value.reason
    silence = tmp_path / "empty.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    with pytest.raises((UnreadableClip, UnusableClip)):
        worker.extract(silence, "x")
    assert worker.identify(tone) == before
    assert process_of(worker) == process


def test_a_worker_that_hangs_is_stopped_and_replaced(tone: Path) -> None:
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        identity = worker.identify(tone)
        hung = process_of(worker)
        worker._limits = WORKER_LIMITS.model_copy(update={"timeout_s": 0.2})
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(UnreadableClip, match=r"no result within 0\.2 s"):
            worker.identify(tone)
        assert not is_alive(hung)
        worker._limits = WORKER_LIMITS
        assert worker.identify(tone) == identity
        assert process_of(worker) != hung


def test_a_worker_that_crashes_is_named_as_the_cause_and_replaced(
    worker: WorkerClient, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = worker.identify(tone)
    process = process_of(worker)
    os.kill(process, signal.SIGSTOP)
    # Until it has stopped, SIGSEGV would overtake.
    os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOWAIT)
    os.kill(process, signal.SIGSEGV)

    def send_and_let_it_crash(*arguments: Any) -> None:
        send(*arguments)
        os.kill(process, signal.SIGCONT)

    with monkeypatch.context() as patched:
        patched.setattr(worker_client, "send", send_and_let_it_crash)
        with pytest.raises(UnreadableClip, match="ended by SIGSEGV"):
            worker.identify(tone)
    assert worker.identify(tone) == identity


def test_a_worker_that_ended_between_two_files_costs_neither_an_attempt(
    worker: WorkerClient, tone: Path
) -> None:
    identity = worker.identify(tone)
    assert worker._running is not None
    worker._running.process.kill()
    worker._running.process.wait()
    assert worker.identify(tone) == identity


def test_a_closed_worker_leaves_no_process_and_starts_again_on_request(
    worker: WorkerClient, tone: Path
) -> None:
    identity = worker.identify(tone)
    process = process_of(worker)
    worker.close()
    worker.close()
    assert not is_alive(process)
    assert worker.identify(tone) == identity


def assert_worker_dies_with(service: subprocess.Popen[bytes]) -> None:
    """Kill a service, which has printed the number of its worker, and wait for that."""
    assert service.stdout is not None
    handle = os.pidfd_open(int(service.stdout.readline()))
    service.kill()
    service.communicate()
    ended, _, _ = select.select([handle], [], [], PATIENCE_S)
    os.close(handle)
    assert ended, "the worker outlived the service"


def test_a_worker_ends_when_its_service_is_killed(tone: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from daemon.worker.worker_client import WorkerClient\n"
        "from tests.records import WORKER_LIMITS\n"
        "worker = WorkerClient(WORKER_LIMITS)\nworker.identify(Path(sys.argv[1]))\n"
        "print(worker._running.process.pid, flush=True)\nsys.stdin.read()"
    )
    service = subprocess.Popen(
        [sys.executable, "-c", script, str(tone)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert_worker_dies_with(service)


BUSY_SERVICE = """
import os, signal, sys
from pathlib import Path
from daemon.worker import worker_client
from tests.records import WORKER_LIMITS
real, worker = worker_client.send, worker_client.WorkerClient(WORKER_LIMITS)
def send(channel, message, files=()):
    if files:
        os.kill(worker._running.process.pid, signal.SIGSTOP)
        real(channel, message, files)
        print(worker._running.process.pid, flush=True)
    else:
        real(channel, message, files)
worker_client.send = send
worker.identify(Path(sys.argv[1]))
"""


def test_a_busy_worker_ends_when_its_service_is_killed(tone: Path) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", BUSY_SERVICE, str(tone)], stdout=subprocess.PIPE
    )
    # Its worker has a request that it will not answer, and is not even running.
    assert_worker_dies_with(service)


def test_a_process_that_has_read_a_file_prepares_no_bundle(
    worker: WorkerClient, tone: Path, tmp_path: Path
) -> None:
    worker.identify(tone)
    before = process_of(worker)
    directory, _ = worker.prepare(tmp_path / "bundles")
    assert directory.is_dir()
    assert process_of(worker) != before


def test_one_process_identifies_and_analyses_a_file(
    worker: WorkerClient, tone: Path, bundle: ActiveBundle
) -> None:
    worker.expect(bundle)
    identity = worker.identify(tone)
    number = process_of(worker)
    worker.analyse(tone, identity, bundle)
    assert process_of(worker) == number


def test_a_bundle_that_is_published_later_is_loaded_by_a_new_process(
    worker: WorkerClient, bundle: ActiveBundle, tone: Path
) -> None:
    identity = worker.identify(tone)
    before = process_of(worker)
    analysis = worker.analyse(tone, identity, bundle)
    assert process_of(worker) != before
    between = process_of(worker)
    assert worker.analyse(tone, identity, bundle) == analysis
    assert process_of(worker) == between


def test_a_worker_is_renewed_after_so_many_files(tone: Path, tmp_path: Path) -> None:
    with closing(WorkerClient(WORKER_LIMITS.model_copy(update={"renew_after": 2}))) as worker:
        processes = []
        for number in range(5):
            file = tmp_path / f"{number}.wav"
            file.write_bytes(tone.read_bytes())
            identity = worker.identify(file)
            first = process_of(worker)
            worker.extract(file, identity)
            # Never in the middle of one.
            assert process_of(worker) == first
            processes.append(first)
    assert processes[0] == processes[1] != processes[2] == processes[3] != processes[4]
