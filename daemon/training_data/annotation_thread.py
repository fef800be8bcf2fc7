"""Imports the annotation folder's tables in a thread: the event loop never waits for one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.training_data.annotation_folder import AnnotationFolder


class AnnotationThread:
    """Looks into the annotation folder whenever it is asked to.

    Args:
        folder: the folder.
        imported: called by the thread when there are new annotations.
    """

    def __init__(self, folder: AnnotationFolder, imported: Callable[[], None]) -> None:
        self._folder = folder
        self._imported = imported
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="annotations")
        self._look: Future[int] | None = None

    def check(self) -> int:
        """Let the thread look once more unless it is still at work, and return at once.

        Returns:
            The number of annotations that the look before has found.

        Raises:
            CatalogueError: it could not use the catalogue; the tables stay.
        """
        look = self._look
        if look is not None and not look.done():
            return 0
        self._look = self._pool.submit(self._folder.import_tables)
        self._look.add_done_callback(self._report)
        return 0 if look is None else look.result()

    def stop(self) -> None:
        """End the thread; a table that is being read stays, and is read at the next start."""
        self._folder.stop()
        self._pool.shutdown(cancel_futures=True)

    def _report(self, look: Future[int]) -> None:
        if not look.cancelled() and look.exception() is None and look.result():
            self._imported()
