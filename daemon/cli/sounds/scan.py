"""`valenced scan`: analyses new files once, then stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import SettingsError
from daemon.cli.options import cluster_option, format_option, with_settings
from daemon.cli.output import print_json, say, warn
from daemon.cli.session import open_catalogue, progress_terminal, run_config
from daemon.paths import canonical_path, printable
from daemon.watch.file_state import is_gone
from daemon.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.loading import LoadedSettings
    from config.settings import FolderSettings
    from daemon.service.app import RunResult
    from daemon.service.run_config import RunConfig
    from daemon.watch.folder_comparison import FolderComparison
    from storage.schema.records import Failure


@click.command("scan")
@click.argument(
    "paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path)
)
@click.option("--dry-run", is_flag=True, help="Show what would be analysed; change nothing.")
@click.option("--again", is_flag=True, help="Analyse known files again, too.")
@click.option("--no-tags", is_flag=True, help="Write no tags.")
@click.option("--jobs", type=click.IntRange(0, 64), default=0, help="Workers; 0 for automatic.")
@cluster_option("Hear")
@format_option
@with_settings
def command(
    loaded: LoadedSettings,
    paths: tuple[Path, ...],
    *,
    dry_run: bool,
    again: bool,
    no_tags: bool,
    jobs: int,
    cluster: str | None,
    output: str,
) -> int:
    """Analyse new files at or below the PATHs (or the folders of the settings), then stop.

    With --again, known files keep their values until they are analysed. If it is interrupted, the
    rest is analysed by the next scan or by the service. Files that are not there are left out.

    Exit code 1 if any file there has failed, now or before, or is still being written, or if a
    folder could not be listed.
    """
    from daemon.service.app import run

    config = run_config(
        loaded,
        _folders(loaded, paths),
        configured=_configured(loaded),
        tags=not no_tags,
        keep_watching=False,
        again=again,
        jobs=jobs,
        cluster=loaded.settings.analysis.cluster if cluster is None else cluster,
    )
    if dry_run:
        comparison = _compared(loaded, config)
        _print_comparison(comparison, output)
        return 1 if comparison.unreadable else 0
    before = _failures(loaded, config)
    result = run(config, console=progress_terminal())
    failed_before = len(before & _failures(loaded, config))
    _print_result(result, failed_before, output)
    return 1 if result.failed or failed_before or result.unsettled or result.unread else 0


def _failures(loaded: LoadedSettings, config: RunConfig) -> set[Failure]:
    with open_catalogue(loaded, may_create=True) as catalogue:
        return {
            failure
            for failure in catalogue.queries.failures()
            if any(failure.path.is_relative_to(folder.path) for folder in config.folders)
        }


def _folders(loaded: LoadedSettings, paths: tuple[Path, ...]) -> Sequence[FolderSettings]:
    from config.settings import FolderSettings

    if not paths:
        configured = _configured(loaded)
        if not configured:
            raise SettingsError(["watch.folder: nothing to scan; name a path: valenced scan PATH"])
        return configured
    return list({path: FolderSettings(path=path) for path in map(canonical_path, paths)}.values())


def _configured(loaded: LoadedSettings) -> Sequence[FolderSettings]:
    from daemon.service.run_config import with_real_path

    return [with_real_path(folder) for folder in loaded.settings.watch.folder]


def _compared(loaded: LoadedSettings, config: RunConfig) -> FolderComparison:
    from daemon.watch.file_filter import FileFilter
    from daemon.watch.folder_comparison import NothingKnown, compare
    from daemon.watch.nested_mounts import NestedMounts, remembered_mounts
    from storage.database.catalogue_file import is_there
    from trainer.features.extract import CANONICAL

    watch = config.settings.watch
    folders = [folder.path for folder in config.folders]
    file_filter = FileFilter(watch.suffixes, watch.ignore)
    if config.again or not is_there(config.url):
        return compare(folders, file_filter, NothingKnown(), NestedMounts(folders))
    with (
        open_catalogue(loaded) as catalogue,
        # The first scan after an upgrade publishes a bundle of these settings.
        catalogue.known_files(CANONICAL.key) as known,
    ):
        mounts = remembered_mounts(config.folders, catalogue)
        return compare(folders, file_filter, known, mounts)


def _print_comparison(comparison: FolderComparison, output: str) -> None:
    new = sorted(found.path for found in comparison.new)
    gone = sorted(comparison.gone)
    if output == "json":
        report = {
            "known": comparison.known,
            "new": [str(path) for path in new],
            "gone": gone,
            "unread": {str(path): reason for path, reason in comparison.unreadable.items()},
        }
        print_json(report)
        return
    for path in new:
        say(f"would analyse  {path}")
    for name in gone:
        say(f"missing        {name}")
    for path, reason in comparison.unreadable.items():
        warn(f"{path}: cannot be listed: {reason}")
    say(f"{len(new)} to analyse, {comparison.known} known, {len(gone)} missing", err=True)


def _print_result(result: RunResult, failed_before: int, output: str) -> None:
    if output == "json":
        report = {
            "done": result.processed,
            "failed": result.failed,
            "failed_before": failed_before,
            "unsettled": [str(path) for path in result.unsettled],
            "unread": {str(path): reason for path, reason in result.unread.items()},
        }
        say(json.dumps(report))
    else:
        done = counted(result.processed, "file")
        say(f"one pass done: {done} processed, {result.failed} failed", err=True)
    if result.unread:
        closed = counted(len(result.unread), "folder")
        warn(f"not everything was seen: {closed} could not be listed")
    if failed_before:
        warn(
            f"{failed_before} failed before and are not due for a retry yet;"
            " to retry now: valenced retry; for the reason: valenced show FILE"
        )
    away = {path for path in result.unsettled if is_gone(path)}
    _warn_of(sorted(away), "not there; run scan again when its disk is mounted")
    written = [path for path in result.unsettled if path not in away]
    _warn_of(written, "still being written; run scan again")


def _warn_of(paths: Sequence[Path], what: str) -> None:
    if paths:
        first, *others = (printable(str(path)) for path in paths)
        more = f" and {len(others)} more" if others else ""
        warn(f"{first}{more}: {what}")
