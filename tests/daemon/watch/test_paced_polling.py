from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from watchdog.observers.api import EventQueue, ObservedWatch

from daemon.watch.paced_polling import PacedEmitter

if TYPE_CHECKING:
    from pathlib import Path


class Waits:
    """The event by which a thread is told to stop; it is not, and nobody waits."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False

    def is_set(self) -> bool:
        return False


def test_a_folder_that_takes_long_to_poll_is_polled_more_rarely(tmp_path: Path) -> None:
    clock: SimpleQueue[float] = SimpleQueue()
    for now_s in (0.0, 0.5, 0.5, 4.5, 4.5, 4.6):
        clock.put(now_s)
    queue = EventQueue()
    emitter = PacedEmitter(
        queue, ObservedWatch(str(tmp_path), recursive=True), processor_s=clock.get_nowait
    )
    emitter.on_thread_start()
    waits: Any = Waits()
    emitter._stopped_event = waits
    for name in ("a.mp3", "b.mp3", "c.mp3"):
        (tmp_path / name).touch()
        emitter.queue_events(10.0)
        assert str(tmp_path / name) in {
            queue.get_nowait()[0].src_path for _ in range(queue.qsize())
        }
    assert waits.seconds == [10.0, 10.0, 36.0]
