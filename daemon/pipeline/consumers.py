"""The consumer threads: each claims files from the queue and processes them with its own worker."""

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
    from daemon.system.load_throttle import LoadThrottle
    from daemon.worker.sound_reader import SoundReader
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, QueueEntry

log = logging.getLogger(__name__)

IDLE_CLOSE_S = 20.0
"""An idle worker is ended after this time, to free its memory."""

LONGEST_SLEEP_S = 3600.0
STALLED_RETRY_S = 5.0
THROTTLED_RETRY_S = 10.0


class ConsumerPool:
    """Threads that sleep in the kernel until there is a file to process or a tag to write.

    Args:
        workers: one for each consumer.
        catalogue: holds the queue.
        pipeline: processes files.
        clock: the time, aware of its zone.
        throttle: decides when work must wait.
        stats: counts results.
        ended: called when the last consumer has ended, unless by `stop`, or any has crashed, with
            what crashed it.

    Attributes:
        pipeline: as above.
    """

    def __init__(
        self,
        workers: Sequence[SoundReader],
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
        self._is_file_expected = False
        self._stops = self._stops_when_all_tried = self._stops_when_idle = False
        self._crash: BaseException | None = None
        self._active = len(workers)
        self._untagged: dict[int, Path] = {}
        self._unreleased: list[QueueEntry] = []
        self._busy_since_s: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._consume, args=(worker,), name=f"consumer-{number}")
            for number, worker in enumerate(workers, start=1)
        ]

    def start(self) -> None:
        """Start consuming."""
        for thread in self._threads:
            thread.start()

    def add_untagged(self, untagged: Iterable[Clip]) -> None:
        """Add clips whose tags must be written, after all files in the queue."""
        paths = {clip.id: clip.path for clip in untagged}
        with self._change:
            self._untagged |= paths
        self.wake()

    def wake(self) -> None:
        """Look for new work in the queue."""
        with self._change:
            self._changes += 1
            self._change.notify_all()

    def expect_file(self) -> None:
        """Have a worker ready for a file that will be queued soon."""
        with self._change:
            self._is_file_expected = True
            self._changes += 1
            self._change.notify()

    def stop_when_all_tried(self) -> None:
        """Let the consumers end once every file was tried. Returns at once."""
        self._stops_when_all_tried = True
        self.wake()

    def stop_when_idle(self) -> None:
        """Let the consumers end once no file is due, postponed ones aside. Returns at once."""
        self._stops_when_idle = True
        self.wake()

    def stuck(self, now_s: float, longest_s: float) -> str | None:
        """Return the name of a consumer that is busy with one thing for longer than allowed.

        Args:
            now_s: the monotonic clock.
            longest_s: how long one thing may take, in seconds.
        """
        since_s = dict(self._busy_since_s)
        return next((name for name in since_s if now_s - since_s[name] > longest_s), None)

    def stop(self) -> None:
        """Claim no more files, finish the current ones, and wait for that."""
        self._stops = True
        self.wake()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _consume(self, worker: SoundReader) -> None:
        crash: BaseException | None = None
        try:
            self._loop(worker)
        except Exception as error:  # noqa: BLE001 - reported by `ended`
            crash = error
        finally:
            worker.close()
            self._busy_since_s.pop(threading.current_thread().name, None)
            with self._change:
                self._active -= 1
                self._crash = self._crash or crash
                is_last = self._active == 0
            if crash or (is_last and not self._stops):
                self._ended(self._crash)

    def _loop(self, worker: SoundReader) -> None:
        idle_since_s = time.monotonic()
        name = threading.current_thread().name
        while not self._stops:
            seen = self._changes
            self._busy_since_s[name] = time.monotonic()
            try:
                if self._is_throttled():
                    worker.close()
                    self._pause(THROTTLED_RETRY_S)
                elif self._process_next(worker) or self._write_next_tags(worker):
                    idle_since_s = time.monotonic()
                elif self._must_end():
                    return
                elif self._take_expected():
                    worker.warm(self.pipeline.bundle)
                    idle_since_s = time.monotonic()
                else:
                    self._sleep(worker, idle_since_s, seen)
            except ValencedError as error:
                # No file's fault, such as a full disk. The claimed file is released later.
                if str(error) != self._stats.stalled:
                    log.error("processing stalled, retried each %g s: %s", STALLED_RETRY_S, error)  # noqa: TRY400 - one line is enough
                self._stats.stalled = str(error)
                self._pause(STALLED_RETRY_S)

    def _must_end(self) -> bool:
        return self._stops_when_idle or (
            self._stops_when_all_tried and not self._catalogue.queue.untried()
        )

    def _is_throttled(self) -> bool:
        """Tell whether work is due that must wait, and log it when that changes."""
        reason = self._throttle.reason_to_wait(self._stats.busy)
        if reason and not self._untagged and not self._catalogue.queue.waiting(self._clock()):
            reason = None
        with self._change:
            was_paused, self._stats.paused = bool(self._stats.paused), reason
        if bool(reason) != was_paused:
            log.info("%s", reason or "work continues")
        return reason is not None

    def _process_next(self, worker: SoundReader) -> bool:
        """Process a file from the queue, and tell whether there was one."""
        self._release_entries()
        entry = self._catalogue.queue.claim(self._clock())
        if entry is not None:
            try:
                with self._stats.working():
                    began_s = time.monotonic()
                    result = self.pipeline.process(entry, worker)
                    self._stats.count(entry.path, result, time.monotonic() - began_s)
            except ValencedError:
                with self._change:
                    self._unreleased.append(entry)
                raise
        self._stats.stalled = None
        return entry is not None

    def _write_next_tags(self, worker: SoundReader) -> bool:
        """Write the tags of a clip, and tell whether there was one."""
        with self._change:
            if not self._untagged:
                return False
            _, path = self._untagged.popitem()
        # The clip may have changed since it was listed.
        clip = self._catalogue.clip_at(path)
        if clip is not None and clip.tag_state is not TagState.WRITTEN:
            try:
                self.pipeline.write_tags(clip, worker)
            except ValencedError:
                with self._change:
                    self._untagged[clip.id] = clip.path
                raise
        return True

    def _release_entries(self) -> None:
        """Return claimed files to the queue that a stall has interrupted."""
        for entry in tuple(self._unreleased):
            self._catalogue.queue.release(entry)
            clip = self._catalogue.clip_at(entry.path)
            with self._change:
                if entry in self._unreleased:
                    self._unreleased.remove(entry)
                if clip is not None and clip.tag_state is TagState.PENDING:
                    # Recorded before the stall, and on no other list.
                    self._untagged[clip.id] = clip.path

    def _take_expected(self) -> bool:
        with self._change:
            is_expected, self._is_file_expected = self._is_file_expected, False
            return is_expected

    def _pause(self, seconds: float) -> None:
        self._busy_since_s.pop(threading.current_thread().name, None)
        with self._change:
            self._change.wait_for(lambda: self._stops, seconds)

    def _sleep(self, worker: SoundReader, idle_since_s: float, seen: int) -> None:
        """Sleep until something changes or is due; end a worker that was idle for long."""
        due = self._catalogue.queue.next_due()
        until_due_s = LONGEST_SLEEP_S if due is None else (due - self._clock()).total_seconds()
        until_close_s = idle_since_s + IDLE_CLOSE_S - time.monotonic()
        if until_close_s <= 0:
            worker.close()
            until_close_s = LONGEST_SLEEP_S
        del self._busy_since_s[threading.current_thread().name]
        with self._change:
            wait_s = min(until_due_s, until_close_s, LONGEST_SLEEP_S)
            self._change.wait_for(lambda: self._changes != seen, max(wait_s, 0))
