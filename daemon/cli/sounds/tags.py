"""`valenced tags`: show, write, strip or restore the tags of files."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import format_option, settings_options, with_settings
from daemon.cli.output import print_json, say, warn
from daemon.cli.session import open_catalogue
from daemon.clock import utc_now
from daemon.paths import canonical_path
from daemon.service_errors import TagWriteError
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config.loading import LoadedSettings
    from daemon.pipeline.tag_sync import TagSync
    from daemon.tagging.api import TagWrite
    from daemon.worker.tag_client import TagClient
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip

PATHS = click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
NOTHING_TO_DO = "nothing to do"


@click.group("tags", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Show, write, remove or restore the tags in the files themselves."""


@command.command("show")
@PATHS
@format_option
@with_settings
def show(loaded: LoadedSettings, paths: tuple[Path, ...], *, output: str) -> int:
    """Show valenced's tags in the files at or below the PATHs."""
    from daemon.tagging import api
    from daemon.worker.tag_client import TagClient
    from daemon.worker.worker_client import WorkerClient

    rows: list[dict[str, Any]] = []
    with closing(WorkerClient(loaded.settings.analysis)) as worker:
        for path in _files(loaded, paths):
            try:
                rows.append({"path": str(path), "tags": api.read(path, TagClient(worker))})
            except TagWriteError as error:
                rows.append({"path": str(path), "error": error.reason})
    if output == "json":
        print_json(rows)
    else:
        for row in rows:
            items = row.get("tags") or {"": [row.get("error", "none")]}
            text = "  ".join(f"{key} {', '.join(values)}" for key, values in items.items())
            say(f"{row['path']}: {text.strip()}")
    return 1 if any("error" in row for row in rows) else 0


@command.command("write")
@PATHS
@DRY_RUN
@with_settings
def write(loaded: LoadedSettings, paths: tuple[Path, ...], *, dry_run: bool) -> int:
    """Write the catalogue's values into the files at or below the PATHs, even after `strip`."""

    def write_one(catalogue: Catalogue, clip: Clip, sync: TagSync, client: TagClient) -> str:
        prediction = catalogue.affect_of(clip.identity)
        if prediction is None:
            return "no prediction"
        outcome = sync.write(clip, prediction, client, is_asked=True)
        if outcome is None:
            return "changed since its analysis"
        if not dry_run:
            catalogue.tag_journal.record(clip, outcome)
        if outcome.state in {TagState.NOT_WRITTEN, TagState.PENDING}:
            raise TagWriteError(clip.path, outcome.reason or "")
        if outcome.state is TagState.OFF:
            return "skipped: tags.mode is none"
        if outcome.was_there:
            return NOTHING_TO_DO
        return "would be written" if dry_run else "written"

    return _each(loaded, paths, write_one, dry_run=dry_run)


@command.command("strip")
@PATHS
@DRY_RUN
@with_settings
def strip(loaded: LoadedSettings, paths: tuple[Path, ...], *, dry_run: bool) -> int:
    """Remove valenced's tags, and nothing else, from the files at or below the PATHs."""

    def strip_one(_: Catalogue, clip: Clip, sync: TagSync, client: TagClient) -> str:
        return _word(sync.strip(clip, client), "removed")

    return _each(loaded, paths, strip_one, dry_run=dry_run)


@command.command("restore")
@PATHS
@DRY_RUN
@with_settings
def restore(loaded: LoadedSettings, paths: tuple[Path, ...], *, dry_run: bool) -> int:
    """Restore the tags that the files had before valenced first wrote to them."""

    def restore_one(_: Catalogue, clip: Clip, sync: TagSync, client: TagClient) -> str:
        return _word(sync.restore(clip, client), "restored")

    return _each(loaded, paths, restore_one, dry_run=dry_run)


def _word(done: TagWrite, verb: str) -> str:
    """Return what was done to a file, in the word of the command."""
    return {
        "written": verb,
        "planned": f"would be {verb}",
        "unchanged": NOTHING_TO_DO,
        "changed": "changed by another program meanwhile",
    }.get(done.outcome, done.outcome.value)


def _each(
    loaded: LoadedSettings,
    paths: tuple[Path, ...],
    action: Callable[[Catalogue, Clip, TagSync, TagClient], str],
    *,
    dry_run: bool,
) -> int:
    """Apply an action to every known file, and print each outcome and their counts."""
    from daemon.pipeline.tag_sync import TagSync
    from daemon.worker.tag_client import TagClient
    from daemon.worker.worker_client import WorkerClient

    settings = loaded.settings
    counts: Counter[str] = Counter()
    worker = WorkerClient(settings.analysis)
    with open_catalogue(loaded) as catalogue, closing(worker):
        sync = TagSync(settings.tags, settings.mood, catalogue, utc_now, dry_run=dry_run)
        for clip in _clips(catalogue, paths):
            try:
                outcome = action(catalogue, clip, sync, TagClient(worker))
            except TagWriteError as error:
                warn(f"valenced: {error}")
                outcome = "failed"
            counts[outcome] += 1
            say(f"{outcome}  {clip.path}")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    if counts:
        say(summary, err=True)
    else:
        warn("no file there is in the catalogue")
    return 1 if counts["failed"] or not counts else 0


def _clips(catalogue: Catalogue, paths: tuple[Path, ...]) -> Iterator[Clip]:
    for path in map(canonical_path, paths):
        clip = catalogue.clip_at(path)
        yield from [clip] if clip is not None else catalogue.clips_below(path)


def _files(loaded: LoadedSettings, paths: tuple[Path, ...]) -> Iterator[Path]:
    from daemon.watch.file_filter import FileFilter
    from daemon.watch.scanner import SkippedEntries, walk

    watch = loaded.settings.watch
    file_filter = FileFilter(watch.suffixes, watch.ignore)
    for path in paths:
        if path.is_file():
            yield path
        else:
            yield from sorted(found.path for found in walk(path, file_filter, SkippedEntries()))
