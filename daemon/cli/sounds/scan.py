"""`valenced scan`: one pass over everything, then stop."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import SettingsError
from config.settings import FolderSettings
from daemon.cli.options import (
    FORMAT_HELP,
    annotation_folder,
    catalogue_url,
    corpus_folder,
    registry_folder,
    with_settings,
)
from daemon.paths import canonical_path, printable
from daemon.service.app import RunResult, run
from daemon.service.run_config import RunConfig, with_real_path
from daemon.system.log_setup import terminal
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import remembered_mounts
from daemon.watch.scanner import FolderComparison, compare
from daemon.watch.symlinks import with_targets
from storage.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.loading import LoadedSettings
    from storage.schema.records import Failure


@click.command("scan")
@click.argument(
    "paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path)
)
@click.option("--dry-run", is_flag=True, help="Say what would be heard, and do nothing.")
@click.option("--no-tags", is_flag=True, help="Write nothing into the files.")
@click.option("--jobs", type=click.IntRange(0, 64), default=0, help="Workers; 0 for automatic.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(
    loaded: LoadedSettings,
    paths: tuple[Path, ...],
    *,
    dry_run: bool,
    no_tags: bool,
    jobs: int,
    output: str,
) -> int:
    """Hear what is new under the PATHs (or the folders of the settings), then stop.

    Exit code 1 if any file there could not be heard, now or before, or is not complete yet.
    """
    folders = _folders(loaded, paths)
    watch = loaded.settings.watch
    if watch.follow_links:
        folders = with_targets(folders, FileFilter(watch.suffixes, watch.ignore))
    if dry_run:
        _say_comparison(_compared(loaded, folders), output)
        return 0
    plan = RunConfig(
        settings=loaded.settings,
        url=catalogue_url(loaded),
        registry=registry_folder(loaded),
        annotations=annotation_folder(loaded),
        corpora=corpus_folder(loaded),
        folders=folders,
        configured=_configured(loaded),
        tags=not no_tags,
        keep_watching=False,
        jobs=jobs,
    )
    before = _failures(plan)
    outcome = run(plan, console=terminal if terminal.is_terminal else None)
    failed_before = len(before & _failures(plan))
    _say_outcome(outcome, failed_before, output)
    return 1 if outcome.failed or failed_before or outcome.unsettled else 0


def _failures(plan: RunConfig) -> set[Failure]:
    with closing(Catalogue(plan.url)) as catalogue:
        return {
            failure
            for failure in catalogue.queries.failures()
            if any(failure.path.is_relative_to(folder.path) for folder in plan.folders)
        }


def _folders(loaded: LoadedSettings, paths: tuple[Path, ...]) -> Sequence[FolderSettings]:
    if not paths:
        configured = _configured(loaded)
        if not configured:
            raise SettingsError(["watch.folder: nothing to scan; name a path: valenced scan PATH"])
        return configured
    return list({path: FolderSettings(path=path) for path in map(canonical_path, paths)}.values())


def _configured(loaded: LoadedSettings) -> Sequence[FolderSettings]:
    return [with_real_path(folder) for folder in loaded.settings.watch.folder]


def _compared(loaded: LoadedSettings, folders: Sequence[FolderSettings]) -> FolderComparison:
    with closing(Catalogue(catalogue_url(loaded))) as catalogue:
        watch = loaded.settings.watch
        return compare(
            [folder.path for folder in folders],
            FileFilter(watch.suffixes, watch.ignore),
            catalogue.stamps(),
            catalogue.queued_stamps(),
            remembered_mounts(folders, catalogue),
        )


def _say_comparison(comparison: FolderComparison, output: str) -> None:
    new = sorted(found.path for found in comparison.new)
    gone = sorted(comparison.gone)
    if output == "json":
        report = {
            "known": comparison.known,
            "new": [str(path) for path in new],
            "gone": [str(path) for path in gone],
            "unread": {str(path): reason for path, reason in comparison.unreadable.items()},
        }
        click.echo(json.dumps(report, indent=2))
        return
    for path in new:
        click.echo(f"would hear  {printable(str(path))}")
    for path in gone:
        click.echo(f"is gone     {printable(str(path))}")
    click.echo(f"{len(new)} to hear, {comparison.known} known, {len(gone)} gone", err=True)


def _say_outcome(outcome: RunResult, failed_before: int, output: str) -> None:
    if output == "json":
        report = {
            "done": outcome.processed,
            "failed": outcome.failed,
            "failed_before": failed_before,
            "unsettled": [str(path) for path in outcome.unsettled],
        }
        click.echo(json.dumps(report))
    else:
        click.echo(f"{outcome.processed} files taken in, {outcome.failed} put off", err=True)
    if failed_before:
        click.echo(
            f"{failed_before} could not be heard before and were not due yet;"
            " valenced retry makes them due, valenced show FILE says why",
            err=True,
        )
    if outcome.unsettled:
        first, *others = (printable(str(path)) for path in outcome.unsettled)
        more = f" and {len(others)} more" if others else ""
        click.echo(f"{first}{more}: still being written; run scan again", err=True)
