"""The threads that take files off the queue, each with a worker of its own."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from config.errors import ValencedError
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from daemon.pipeline.run_stats import RunStats
    from daemon.pipeline.stages import Pipeline
    from daemon.pipeline.worker_client import WorkerClient
    from daemon.system.load_throttle import LoadThrottle
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, QueueEntry

log = logging.getLogger(__name__)

IDLE_CLOSE_S = 20.0
LONGEST_WAIT_S = 3600.0
PAUSE_AFTER_TROUBLE_S = 5.0
COURTESY_S = 10.0


class ConsumerPool:
    """Consumers of the queue. They sleep in the kernel until there is something to do.

    Args:
        workers: one for each consumer.
        catalogue: whose queue is consumed.
        pipeline: what is done with a file.
        clock: the time, aware of its zone.
        throttle: tells when work waits for others.
        stats: told what becomes of each file, and who is at work.
        ended: called when the last consumer has ended, or any broke, with what broke it.

    Attributes:
        pipeline: what is done with a file.
    """

    def __init__(
        self,
        workers: Sequence[WorkerClient],
        catalogue: Catalogue,
        pipeline: Pipeline,
        *,
        clock: Callable[[], datetime],
        throttle: LoadThrottle,
        stats: RunStats,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._catalogue = catalogue
        self.pipeline = pipeline
        self._clock = clock
        self._throttle = throttle
        self._stats = stats
        self._ended = ended
        self._change = threading.Condition()
        self._changes = 0
        self._expecting = False
        self._stopping = False
        self._draining = False
        self._leaving = False
        self._broken: BaseException | None = None
        self._active = len(workers)
        self._untagged: dict[int, Path] = {}
        self._owed: list[QueueEntry] = []
        self._begun_s: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._consume, args=(worker,), name=f"consumer-{number}")
            for number, worker in enumerate(workers, start=1)
        ]

    def start(self) -> None:
        """Start consuming."""
        for thread in self._threads:
            thread.start()

    def add_untagged(self, untagged: Iterable[Clip]) -> None:
        """Take in clips whose tags are due; new sounds come before them."""
        paths = {clip.id: clip.path for clip in untagged}
        with self._change:
            self._untagged |= paths
            self._changes += 1
            self._change.notify_all()

    def wake(self) -> None:
        """Tell that there is something new in the queue."""
        with self._change:
            self._changes += 1
            self._change.notify_all()

    def expect_file(self) -> None:
        """Tell that a file will settle soon, so that a worker is ready when it does."""
        with self._change:
            self._expecting = True
            self._changes += 1
            self._change.notify()

    def stop_when_all_tried(self) -> None:
        """End by yourselves once every file was tried. Returns at once."""
        self._draining = True
        self.wake()

    def stop_when_idle(self) -> None:
        """End by yourselves once nothing is due, whatever was set aside. Returns at once."""
        self._leaving = True
        self.wake()

    def stuck(self, now_s: float, longest_s: float) -> str | None:
        """Return the name of a consumer that has been busy with one thing for too long.

        Args:
            now_s: the monotonic clock.
            longest_s: how long one thing may take, in seconds.
        """
        begun_s = dict(self._begun_s)
        late = (name for name, since_s in begun_s.items() if now_s - since_s > longest_s)
        return next(late, None)

    def stop(self) -> None:
        """Take nothing more, finish what is in hand, and wait for that."""
        self._stopping = True
        self.wake()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _consume(self, worker: WorkerClient) -> None:
        broken: BaseException | None = None
        try:
            self._work(worker)
        except Exception as error:  # noqa: BLE001 - a consumer that dies in silence would be worse
            broken = error
        finally:
            worker.close()
            self._begun_s.pop(threading.current_thread().name, None)
            with self._change:
                self._active -= 1
                self._broken = self._broken or broken
                last = self._active == 0
            if last or broken:
                self._ended(self._broken)

    def _work(self, worker: WorkerClient) -> None:
        idle_since = time.monotonic()
        name = threading.current_thread().name
        while not self._stopping:
            seen = self._changes
            self._begun_s[name] = time.monotonic()
            try:
                if self._waits_for_others():
                    worker.close()
                    self._pause(COURTESY_S)
                elif self._attend_next(worker):
                    idle_since = time.monotonic()
                elif self._leaving or (self._draining and not self._catalogue.queue.untried()):
                    return
                elif self._expected():
                    worker.warm(self.pipeline.bundle.directory)
                    idle_since = time.monotonic()
                else:
                    self._rest(worker, idle_since, seen)
            except ValencedError as error:
                # No file's fault: a full disk, a bundle that went away. Nothing is lost.
                log.error("work stands still for %g s: %s", PAUSE_AFTER_TROUBLE_S, error)  # noqa: TRY400 - one line is enough
                self._stats.stalled = str(error)
                self._pause(PAUSE_AFTER_TROUBLE_S)

    def _pause(self, seconds: float) -> None:
        self._begun_s.pop(threading.current_thread().name, None)
        with self._change:
            self._change.wait_for(lambda: self._stopping, seconds)

    def _waits_for_others(self) -> bool:
        """Tell whether there is work that is not to be begun now, and say so when that changes."""
        reason = self._throttle.reason_to_wait(self._stats.busy)
        if reason and not self._untagged and not self._catalogue.queue.waiting(self._clock()):
            reason = None
        with self._change:
            was_paused, self._stats.paused = bool(self._stats.paused), reason
        if bool(reason) != was_paused:
            log.info("%s", reason or "work goes on")
        return reason is not None

    def _attend_next(self, worker: WorkerClient) -> bool:
        """Do one thing, and tell whether there was one."""
        self._give_back()
        entry = self._catalogue.queue.claim(self._clock())
        if entry is None:
            self._stats.stalled = None
            return self._tag_next(worker)
        try:
            with self._stats.working():
                began_s = time.monotonic()
                result = self.pipeline.process(entry, worker)
                self._stats.count(result, time.monotonic() - began_s)
            self._stats.stalled = None
        except ValencedError:
            with self._change:
                self._owed.append(entry)
            raise
        return True

    def _tag_next(self, worker: WorkerClient) -> bool:
        with self._change:
            _, path = self._untagged.popitem() if self._untagged else (0, None)
        if path is None:
            return False
        # Much may have happened to it since it was listed.
        clip = self._catalogue.clip_at(path)
        if clip is not None and clip.tag_state is not TagState.WRITTEN:
            self._write_tags(clip, worker)
        return True

    def _write_tags(self, clip: Clip, worker: WorkerClient) -> None:
        try:
            self.pipeline.write_tags(clip, worker)
        except ValencedError:
            with self._change:
                self._untagged[clip.id] = clip.path
            raise

    def _give_back(self) -> None:
        """Return to the queue what could not be finished, once the catalogue takes it again."""
        for entry in tuple(self._owed):
            self._catalogue.queue.release(entry)
            clip = self._catalogue.clip_at(entry.path)
            with self._change:
                if entry in self._owed:
                    self._owed.remove(entry)
                if clip is not None and clip.tag_state is TagState.PENDING:
                    # It was recorded before the trouble came, and is on no list but this.
                    self._untagged[clip.id] = clip.path

    def _expected(self) -> bool:
        with self._change:
            expected, self._expecting = self._expecting, False
            return expected

    def _rest(self, worker: WorkerClient, idle_since: float, seen: int) -> None:
        """Sleep until something changes or is due; let an idle worker go."""
        wait_s = self._until_due_s()
        until_close_s = idle_since + IDLE_CLOSE_S - time.monotonic()
        if until_close_s <= 0:
            worker.close()
        else:
            wait_s = min(wait_s, until_close_s)
        del self._begun_s[threading.current_thread().name]
        with self._change:
            self._change.wait_for(lambda: self._changes != seen, max(wait_s, 0))

    def _until_due_s(self) -> float:
        due = self._catalogue.queue.next_due()
        if due is None:
            return LONGEST_WAIT_S
        return min((due - self._clock()).total_seconds(), LONGEST_WAIT_S)
