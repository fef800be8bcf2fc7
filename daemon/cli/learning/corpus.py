"""`valenced corpus`: rated data sets, brought in to learn from."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from daemon.cli.options import FORMAT_HELP, corpus_folder, with_settings
from daemon.cli.ranges import SCALE
from daemon.clock import utc_now
from daemon.paths import canonical_path, printable
from daemon.system.log_setup import terminal
from trainer.corpora.import_request import KINDS, ImportRequest
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config.loading import LoadedSettings
    from daemon.service.progress import ProgressReporter
    from daemon.training_data.corpus_import import CorpusImporter
    from trainer.corpora.corpus_store import CorpusManifest, CorpusStore
    from trainer.corpora.import_request import Music
    from trainer.features.feature_cache import FeatureCache
    from trainer.rating_scale import RatingScale

_ONLY_FOR = {"music": ("iads-e", "iads-2"), "scale": ("manifest",), "emomusic": ("deam",)}


@click.group("corpus")
def command() -> None:
    """Bring in rated data sets that `valenced train` learns from."""


@command.command("add")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What to call it; the KIND if not given.")
@click.option(
    "--music",
    type=click.Choice(["keep", "drop", "move"]),
    help="IADS-E's music: kept among the sounds, left out, or moved to the music (default).",
)
@click.option(
    "--scale", type=SCALE, metavar="LOW:HIGH", help="Of a manifest whose rows do not say; -1:1."
)
@click.option(
    "--emomusic",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="emoMusic's static annotations, which tell whether DEAM's columns are interchanged.",
)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def add(
    loaded: LoadedSettings,
    kind: str,
    directory: Path,
    *,
    name: str | None,
    music: Music | None,
    scale: RatingScale | None,
    emomusic: Path | None,
    output: str,
) -> None:
    """Bring in the data set of a KIND that lies in DIR, as its users receive it.

    Its sounds are heard once; what was heard before, or before an interruption, is not heard
    again. Items that cannot be used are listed with a reason. A manifest is a CSV file with the
    columns path, arousal and valence, and if wanted arousal_sd, valence_sd, raters, group, domain
    (music or sound) and scale (such as 1:9).
    """
    for option, value in (("music", music), ("scale", scale), ("emomusic", emomusic)):
        if value is not None and kind not in _ONLY_FOR[option]:
            raise click.UsageError(f"--{option} goes with {' and '.join(_ONLY_FOR[option])} alone")
    shelf = _shelf(loaded)
    request = ImportRequest(
        folder=canonical_path(directory),
        name=name or kind,
        suffixes=frozenset(loaded.settings.watch.suffixes),
        music=music or "move",
        scale=scale or AFFECT_SCALE,
        emomusic=_emomusic(shelf, emomusic) if kind == "deam" else None,
    )
    reporter = _reporter()
    try:
        manifest = _intake(loaded, shelf, reporter).bring_in(kind, request, utc_now())
    except ValencedError as error:
        # A path may hold anything; what is said of it stays on one line.
        raise ValencedError(printable(str(error))) from error
    finally:
        reporter.hide()
    _say_added(manifest, output)


@command.command("list")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def list_(loaded: LoadedSettings, *, output: str) -> None:
    """List the corpora that were brought in."""
    from trainer.features.extract import CANONICAL  # noqa: PLC0415 - spares every other command the import

    rows: list[dict[str, Any]] = [
        {"name": name, "usable": False, "problem": str(found)}
        if isinstance(found, ValencedError)
        else _row(found, CANONICAL.key)
        for name, found in _shelf(loaded).manifests().items()
    ]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        if "clips" not in row:
            click.echo(f"{row['name']}  {row['problem']}")
            continue
        domains = ", ".join(f"{count} {domain}" for domain, count in row["domains"].items())
        click.echo(
            f"{row['name']}  {row['kind']}, {row['clips']} clips ({domains}) in {row['groups']} "
            f"groups, {row['skipped']} left out, {row['hearing']}"
            + ("" if row["usable"] else f": {row['problem']}")
        )


@command.command("remove")
@click.argument("name")
@with_settings
def remove(loaded: LoadedSettings, *, name: str) -> None:
    """Remove the corpus NAME; bundles that learned from it stay as they are.

    How its sounds were heard is kept for 30 days from their hearing, in case it is added again.
    """
    shelf = _shelf(loaded)
    shelf.remove(name)
    _store(shelf).prune(shelf.sounds(), utc_now())
    click.echo(f"{name}: removed", err=True)


def _shelf(loaded: LoadedSettings) -> CorpusStore:
    from trainer.corpora.corpus_store import CorpusStore  # noqa: PLC0415 - spares every other command the import

    return CorpusStore(corpus_folder(loaded))


def _store(shelf: CorpusStore) -> FeatureCache:
    from trainer.corpora.corpus_store import FEATURE_CACHE  # noqa: PLC0415
    from trainer.features.extract import CANONICAL  # noqa: PLC0415
    from trainer.features.feature_cache import FeatureCache  # noqa: PLC0415

    return FeatureCache(shelf.folder / FEATURE_CACHE, CANONICAL.key)


def _intake(
    loaded: LoadedSettings, shelf: CorpusStore, reporter: ProgressReporter
) -> CorpusImporter:
    from daemon.pipeline.worker_client import WorkerClient  # noqa: PLC0415
    from daemon.training_data.corpus_import import CorpusImporter  # noqa: PLC0415

    def tell(done: int, failed: int, total: int) -> None:
        reporter.show(done + failed, total - done - failed, time.monotonic())

    analysis = loaded.settings.analysis
    count = analysis.workers or len(os.sched_getaffinity(0))
    return CorpusImporter(
        shelf=shelf,
        store=_store(shelf),
        workers=[WorkerClient(analysis) for _ in range(count)],
        tell=tell,
    )


def _reporter() -> ProgressReporter:
    from daemon.service.progress import ProgressReporter  # noqa: PLC0415

    return ProgressReporter(terminal if terminal.is_terminal else None)


def _emomusic(shelf: CorpusStore, table: Path | None) -> Mapping[str, tuple[float, float]] | None:
    from trainer.corpora.data_sets.emomusic import emomusic_ratings  # noqa: PLC0415
    from trainer.corpora.rated_clip import CorpusError  # noqa: PLC0415

    if table is not None:
        return emomusic_ratings(table)
    # One that is damaged is told of by list, and then nothing can be verified.
    with suppress(CorpusError):
        return shelf.ratings("emomusic")
    return None


def _say_added(manifest: CorpusManifest, output: str) -> None:
    from daemon.training_data.corpus_import import faults  # noqa: PLC0415

    if output == "json":
        click.echo(json.dumps(manifest.model_dump(exclude={"sounds"}), indent=2))
    else:
        for line in _lines(manifest):
            click.echo(line)
    click.echo(
        f"{manifest.name}: {manifest.clips} clips in {manifest.groups} groups taken in; "
        f"{faults(manifest)}; valenced train learns from them",
        err=True,
    )


def _lines(manifest: CorpusManifest) -> Iterator[str]:
    for each in manifest.skipped:
        yield f"{each.fault}  {each.item}: {each.reason}"
    for note in manifest.notes:
        yield f"note  {note}"


def _row(manifest: CorpusManifest, hearing: str) -> dict[str, Any]:
    usable = manifest.hearing == hearing
    return manifest.model_dump(exclude={"items", "format", "sounds"}) | {
        "skipped": len(manifest.skipped),
        "usable": usable,
        "problem": None if usable else "heard otherwise; remove it and add it again",
    }
