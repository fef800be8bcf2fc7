"""Reads the settings again while the service runs, and applies those that need no restart."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from config.errors import SettingsError
from config.settings import differences
from daemon.pipeline.tag_edits import tag_edits_for
from daemon.pipeline.tag_sync import TagSync
from daemon.system.log_setup import change_level
from daemon.watch.file_filter import FileFilter
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.service.event_loop import EventLoop
    from daemon.service.run_config import ActiveConfig, RunConfig
    from daemon.sharing.service_access import ServiceAccess

log = logging.getLogger(__name__)

WITHOUT_RESTART: Final = frozenset({"watch", "tags", "mood", "log"})
"""The tables of the settings that take effect without a restart."""


@dataclass(frozen=True)
class Reloader:
    """Reads the settings again and changes the parts that depend on them.

    Attributes:
        read_config: makes a configuration of the present settings; raises SettingsError.
        active: the configuration in use.
        loop: the parts.
        access: the place of this service, which may watch only some of its folders.
        set_reconcile_s: changes how often the folders are compared, in seconds.
        renew_page: has the page take up the settings, if there is one.
    """

    read_config: Callable[[], RunConfig]
    active: ActiveConfig
    loop: EventLoop
    access: ServiceAccess
    set_reconcile_s: Callable[[float], None]
    renew_page: Callable[[], None] = lambda: None

    def __call__(self) -> str | None:
        """Apply the present settings.

        Returns:
            None; or in one line why they were refused. The log has every problem.

        Raises:
            CatalogueError: the catalogue cannot be written at present; to be tried again.
        """
        try:
            read = self.read_config()
        except SettingsError as error:
            for problem in error.problems:
                log.error("settings refused: %s", problem)  # noqa: TRY400 - one line is enough
            log.warning("the previous settings stay in force")
            count = len(error.problems)
            more = f" (and {count - 1} more)" if count > 1 else ""
            return f"settings refused, the previous ones stay: {error.problems[0]}{more}"
        old = self.active.config
        changed = differences(old.settings, read.settings)
        applied = [key for key in changed if key.partition(".")[0] in WITHOUT_RESTART]
        for key in sorted({*changed} - {*applied}):
            log.warning("%s: changed; takes effect at the next start", key)
        settings = old.settings.model_copy(
            update={name: getattr(read.settings, name) for name in WITHOUT_RESTART}
        )
        self._apply(old, replace(old, settings=settings, folders=read.folders))
        if read.folders != old.folders and not any(key.startswith("watch") for key in applied):
            # The same names can lead to other folders.
            applied.append("watch.folder")
        log.info("settings read again; %s", _summary(applied, is_other=bool(changed)))
        return None

    def _apply(self, old: RunConfig, new: RunConfig) -> None:
        loop, settings = self.loop, new.settings
        mood, watch = settings.mood, settings.watch
        # What can fail comes first.
        if self.access.is_main:
            loop.catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
        self._clear_queue(old, new)
        self.access.ask_for(folder.path for folder in new.folders)
        self.active.config = new
        if self.access.name is not None:
            loop.catalogue.queue.folders = self.active.roots()
        pipeline = loop.consumers.pipeline
        pipeline.tag_sync = TagSync(settings.tags, mood, loop.catalogue, loop.clock)
        pipeline.record_tag_edits = tag_edits_for(settings, loop.catalogue, loop.clock)
        held = [folder for folder in new.folders if self.access.has(folder.path)]
        loop.comparisons.abandon()
        file_filter = FileFilter(watch.suffixes, watch.ignore)
        loop.enqueuer.change([folder.path for folder in held], file_filter)
        loop.folders.change(held)
        if watch.reconcile_s != old.settings.watch.reconcile_s:
            self.set_reconcile_s(watch.reconcile_s)
        change_level(old.settings.log.level, settings.log.level)
        if settings != old.settings:
            self.renew_page()
        loop.comparisons.ask("the settings were read again", list(TagState))

    def _clear_queue(self, old: RunConfig, new: RunConfig) -> None:
        """Remove from the queue the files of folders that are no longer watched."""
        roots = {folder.path for folder in new.folders}
        removed = {folder.path for folder in old.folders if self.access.has(folder.path)} - roots
        if removed:
            queue = self.loop.catalogue.queue
            queue.forget(
                path
                for path in self.loop.catalogue.queued_stamps()
                if any(map(path.is_relative_to, removed))
                and not any(map(path.is_relative_to, roots))
            )


def _summary(applied: Sequence[str], *, is_other: bool) -> str:
    if applied:
        return f"changed: {', '.join(applied)}"
    return "no change takes effect before the next start" if is_other else "nothing changed"
