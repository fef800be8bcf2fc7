"""Settings read again while the service runs: what takes effect at once, and what must wait."""

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
    from collections.abc import Callable

    from daemon.service.event_loop import EventLoop
    from daemon.service.run_config import ActiveConfig, RunConfig

log = logging.getLogger(__name__)

AT_ONCE: Final = frozenset({"watch", "tags", "mood", "log"})
"""The tables of the settings that take effect without a restart."""


@dataclass(frozen=True)
class Reloader:
    """Reads the settings again, by the same layers, and changes the parts that live by them.

    Attributes:
        read: makes a plan of the settings as they are now; raises SettingsError.
        in_force: the plan by which the service works.
        duty: the parts.
        every_s: changes how often the folders are compared, in seconds.
    """

    read: Callable[[], RunConfig]
    in_force: ActiveConfig
    duty: EventLoop
    every_s: Callable[[float], None]

    def __call__(self) -> str | None:
        """Put the settings in force as they are now.

        Returns:
            None; or in one line why those before stay in force. The log has every problem.

        Raises:
            CatalogueError: the catalogue cannot be written just now; to be tried again.
        """
        try:
            plan = self.read()
        except SettingsError as error:
            for problem in error.problems:
                log.error("settings refused: %s", problem)  # noqa: TRY400 - one line is enough
            log.warning("the settings from before stay in force")
            count = len(error.problems)
            more = f" (and {count - 1} more)" if count > 1 else ""
            return f"settings refused, those before stay in force: {error.problems[0]}{more}"
        before = self.in_force.config
        changed = differences(before.settings, plan.settings)
        at_once = [key for key in changed if key.partition(".")[0] in AT_ONCE]
        for key in sorted({*changed} - {*at_once}):
            log.warning("%s: changed; takes effect at the next start", key)
        settings = plan.settings
        kept = before.settings.model_copy(
            update={name: getattr(settings, name) for name in AT_ONCE}
        )
        self._put_in_force(before, replace(before, settings=kept, folders=plan.folders))
        log.info("settings read again; changed: %s", ", ".join(at_once) or "nothing")
        return None

    def _put_in_force(self, before: RunConfig, plan: RunConfig) -> None:
        duty, settings = self.duty, plan.settings
        mood, watch = settings.mood, settings.watch
        # What can fail comes first.
        duty.catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
        self._forget_left(before, plan)
        self.in_force.config = plan
        self._rewire(plan)
        roots = [folder.path for folder in plan.folders]
        duty.intake.change(roots, FileFilter(watch.suffixes, watch.ignore))
        duty.folders.change(plan.folders)
        duty.learning.rewrite_from(settings.tags.step)
        if watch.reconcile_s != before.settings.watch.reconcile_s:
            self.every_s(watch.reconcile_s)
        change_level(before.settings.log.level, settings.log.level)
        duty.reconcile("the settings were read again")
        duty.crew.add_untagged(duty.needing_tags(list(TagState)))

    def _rewire(self, plan: RunConfig) -> None:
        """Let files be processed by another plan from the next one on."""
        duty, settings = self.duty, plan.settings
        processing = duty.crew.pipeline
        processing.tag_sync = TagSync(settings.tags, settings.mood, duty.catalogue, duty.clock)
        processing.tag_edits = tag_edits_for(settings, duty.catalogue, duty.clock)

    def _forget_left(self, before: RunConfig, plan: RunConfig) -> None:
        """Take off the queue what waits in folders that are watched no more."""
        roots = {folder.path for folder in plan.folders}
        left = {folder.path for folder in before.folders} - roots
        if left:
            self.duty.catalogue.queue.forget(
                path
                for path in self.duty.catalogue.queued_stamps()
                if any(map(path.is_relative_to, left)) and not any(map(path.is_relative_to, roots))
            )
