"""`valenced corpus`: imports, lists and removes rated data sets to train on."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import complete_corpus, format_option, settings_options, with_settings
from daemon.cli.output import print_json, say, warn
from daemon.cli.session import progress_bar
from daemon.clock import utc_now
from daemon.paths import canonical_path, printable
from daemon.querying.ranges import SCALE
from daemon.system.cpu_quota import usable_processors
from daemon.wording import counted
from trainer.corpora.import_request import KINDS, ImportRequest
from trainer.rating_scale import AFFECT_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from config.loading import LoadedSettings
    from daemon.training_data.corpus_import import CorpusImporter
    from trainer.corpora.corpus_store import CorpusManifest, CorpusStore
    from trainer.corpora.import_request import Music
    from trainer.corpora.repeated_clips import RepeatedClip
    from trainer.features.feature_cache import FeatureCache
    from trainer.rating_scale import RatingScale

MOST_LISTED = 20
_ONLY_FOR = {"music": ("iads-e", "iads-2"), "scale": ("manifest",), "emomusic": ("deam",)}


@click.group("corpus", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Import, list and remove rated data sets to train on."""


@command.command("add")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the corpus; the KIND if not given.")
@click.option(
    "--music",
    type=click.Choice(["keep", "drop", "move"]),
    help="IADS-E's music: keep it among the sounds, drop it, or move it to the music (default).",
)
@click.option(
    "--scale", type=SCALE, metavar="LOW:HIGH", help="Scale of a manifest's rows without one; -1:1."
)
@click.option(
    "--emomusic",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="emoMusic's static annotations, which show whether DEAM's columns are swapped.",
)
@format_option
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
    """Import the data set of a KIND from DIR, in the form in which it is distributed.

    The features of its sounds are extracted once; an interrupted import continues where it
    stopped. Items that cannot be used are listed with a reason. A manifest is a CSV file with the
    columns path, arousal and valence, and optionally arousal_sd, valence_sd, raters, group, domain
    (music or sound) and scale (such as 1:9).
    """
    for option, value in (("music", music), ("scale", scale), ("emomusic", emomusic)):
        if value is not None and kind not in _ONLY_FOR[option]:
            raise click.UsageError(f"--{option} is only for {' and '.join(_ONLY_FOR[option])}")
    folder = canonical_path(directory)
    if not os.path.exists(folder):  # noqa: PTH110 - raises for no name
        raise ValencedError(
            printable(f"{folder}: not there; name the folder that the data set was unpacked into")
        )
    store = _store(loaded)
    request = ImportRequest(
        folder=folder,
        name=name or kind,
        suffixes=frozenset(loaded.settings.watch.suffixes),
        music=music or "move",
        scale=scale or AFFECT_SCALE,
        emomusic=_emomusic(store, emomusic) if kind == "deam" else None,
    )
    try:
        with progress_bar() as progress:
            manifest = _importer(loaded, store, progress).run(kind, request, utc_now())
    except ValencedError as error:
        # A path may hold control characters.
        raise ValencedError(printable(str(error))) from error
    _print_imported(manifest, _repeated(loaded, manifest.name), output)


@command.command("list")
@format_option
@with_settings
def list_(loaded: LoadedSettings, *, output: str) -> None:
    """List the imported corpora."""
    from trainer.features.extract import CANONICAL

    rows: list[dict[str, Any]] = [
        {"name": name, "usable": False, "problem": str(found)}
        if isinstance(found, ValencedError)
        else _row(found, CANONICAL.key)
        for name, found in _store(loaded).manifests().items()
    ]
    if output == "json":
        print_json(rows)
        return
    if not rows:
        say(
            "no corpus is imported; to import one: valenced corpus add KIND DIR, where KIND is "
            + ", ".join(KINDS),
            err=True,
        )
    for row in rows:
        if "clips" not in row:
            say(f"{row['name']}  {row['problem']}")
            continue
        domains = ", ".join(f"{count} {domain}" for domain, count in row["domains"].items())
        say(
            f"{row['name']}  {row['kind']}, {counted(row['clips'], 'clip')} ({domains}) in "
            f"{counted(row['groups'], 'group')}, {row['skipped']} skipped, {row['hearing']}"
            + ("" if row["usable"] else f": {row['problem']}")
        )


@command.command("remove")
@click.argument("name", shell_complete=complete_corpus)
@with_settings
def remove(loaded: LoadedSettings, *, name: str) -> None:
    """Remove the corpus NAME; bundles that were trained on it stay as they are.

    The features of its sounds are kept for 30 days after their extraction, in case it is added
    again.
    """
    store = _store(loaded)
    store.remove(name)
    _feature_cache(store).prune(store.sounds(), utc_now())
    say(f"{name}: removed", err=True)


def _store(loaded: LoadedSettings) -> CorpusStore:
    from trainer.corpora.corpus_store import CorpusStore

    return CorpusStore(loaded.paths.corpora)


def _feature_cache(store: CorpusStore) -> FeatureCache:
    from trainer.corpora.corpus_store import FEATURE_CACHE
    from trainer.features.extract import CANONICAL
    from trainer.features.feature_cache import FeatureCache

    return FeatureCache(store.folder / FEATURE_CACHE, CANONICAL.key)


def _importer(
    loaded: LoadedSettings, store: CorpusStore, progress: Callable[[int, int], None]
) -> CorpusImporter:
    from daemon.training_data.corpus_import import CorpusImporter
    from daemon.worker.worker_client import WorkerClient

    analysis = loaded.settings.analysis
    count = analysis.workers or usable_processors()
    return CorpusImporter(
        store=store,
        cache=_feature_cache(store),
        workers=[WorkerClient(analysis) for _ in range(count)],
        progress=progress,
    )


def _emomusic(store: CorpusStore, table: Path | None) -> Mapping[str, tuple[float, float]] | None:
    from trainer.corpora.data_sets.emomusic import emomusic_ratings
    from trainer.corpora.rated_clip import CorpusError

    if table is not None:
        return emomusic_ratings(table)
    # `corpus list` reports a damaged one.
    with suppress(CorpusError):
        return store.ratings("emomusic")
    return None


def _repeated(loaded: LoadedSettings, name: str) -> list[RepeatedClip]:
    """Return the clips of a corpus whose sound another clip of it, of the bundle or of another has.

    Empty, with a warning, if the bundle cannot be read.
    """
    from trainer.experiments.dataset import load_dataset

    try:
        dataset = load_dataset(loaded.paths.bundles, loaded.paths.corpora)
    except ValencedError as error:
        warn(f"not compared with other corpora: {error}")
        return []
    return [each for each in dataset.repeated if name in {each.corpus, each.first_corpus}]


def _say_some(lines: Sequence[str]) -> None:
    """Print lines, but no more than leave the result on the screen."""
    # One line more would take as much room as to say that there is one.
    shown = lines if len(lines) <= MOST_LISTED + 1 else lines[:MOST_LISTED]
    say(
        *shown,
        *([] if shown is lines else [f"… {len(lines) - MOST_LISTED} more; --format json has all"]),
    )


def _print_imported(
    manifest: CorpusManifest, repeated: Sequence[RepeatedClip], output: str
) -> None:
    from daemon.training_data.corpus_import import faults

    if output == "json":
        document = manifest.model_dump(exclude={"sounds"})
        document["repeated"] = [asdict(each) for each in repeated]
        print_json(document)
    else:
        _say_some([f"repeated  {clip.path} of {clip.corpus}: {clip}" for clip in repeated])
        _say_some([f"{item.fault}  {item.item}: {item.reason}" for item in manifest.skipped])
        for note in manifest.notes:
            say(f"note  {note}")
    say(
        f"{manifest.name}: {counted(manifest.clips, 'clip')} in "
        f"{counted(manifest.groups, 'group')} imported; "
        f"{faults(manifest)}; train on them with valenced train",
        err=True,
    )
    if repeated:
        say(
            f"{counted(len(repeated), 'clip repeats', 'clips repeat')} a sound of the corpora; "
            "copies share a group, so that no test predicts one of them from another",
            err=True,
        )


def _row(manifest: CorpusManifest, hearing: str) -> dict[str, Any]:
    usable = manifest.hearing == hearing
    return manifest.model_dump(exclude={"items", "format", "sounds"}) | {
        "skipped": len(manifest.skipped),
        "usable": usable,
        "problem": None if usable else "other feature settings; remove it and add it again",
    }
