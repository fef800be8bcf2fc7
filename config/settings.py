"""The schema of the settings; `config.loading` reads them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LONGEST_TEXT: Final = 4096
MOST_ENTRIES: Final = 1000

TagMode = Literal["replace", "in-place", "sidecar", "none"]
TagPreset = Literal["songkong", "unit", "onetagger"]
WatchMode = Literal["auto", "native", "poll"]


def _expanded(value: object) -> object:
    try:
        return Path(value).expanduser() if isinstance(value, str) else value
    except RuntimeError as error:
        raise ValueError("no such user, so no such home directory") from error


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("an absolute path, or one that starts with ~, is accepted")
    if "\0" in str(path) or len(str(path)) > LONGEST_TEXT:
        raise ValueError("no file can have this path")
    return path


def _has_port(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and int(port) <= 65535  # noqa: PLR2004 - the highest port there is


def _listenable(text: str) -> str:
    if text and not _has_port(text):
        raise ValueError('"host:port" with a port up to 65535 is accepted, or an empty text')
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError('an address or a network is accepted, such as "10.0.0.0/24"') from error


def cluster_address(text: str) -> str:
    """Return an address of a scheduler, or an empty text; raises ValueError for any other."""
    scheme, _, rest = text.partition("://")
    if text and not (scheme in {"tcp", "tls"} and _has_port(rest)):
        raise ValueError('"tcp://host:port" or "tls://host:port" is accepted, or an empty text')
    return text


def _catalogue_url(url: str) -> str:
    if url and not url.startswith(("sqlite:///", _SERVER)):
        raise ValueError(
            f'"sqlite:////absolute/path.db" or "{_SERVER}user@host/database" is accepted,'
            " or an empty text"
        )
    authority, _, query = url.removeprefix(_SERVER).partition("?")
    user = authority.rpartition("@")[0]
    if url.startswith(_SERVER) and (":" in user or "password=" in query):
        raise ValueError(
            "a password is not accepted here, as others could read it: put it into the file"
            " ~/.pgpass of the service's user, or another that PGPASSFILE names"
        )
    return url


_SERVER = "postgresql+psycopg://"

AbsolutePath = Annotated[Path, BeforeValidator(_expanded), AfterValidator(_absolute)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
Network = Annotated[str, AfterValidator(_network)]
Suffix = Annotated[str, AfterValidator(lambda text: text.lower().lstrip("."))]
Affect = Annotated[float, Field(ge=-1, le=1)]


class SettingsSection(BaseModel):
    """A table of the settings file, immutable once read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        str_max_length=LONGEST_TEXT,
    )


class FolderSettings(SettingsSection):
    """One folder to watch; with `tags` false its files stay unchanged."""

    path: AbsolutePath
    mode: WatchMode = "auto"
    tags: bool = True


class WatchSettings(SettingsSection):
    """What is watched, and when a file counts as complete."""

    folder: Annotated[tuple[FolderSettings, ...], Field(max_length=MOST_ENTRIES)]
    settle_s: Annotated[float, Field(ge=0.1, le=3600)]
    reconcile_s: Annotated[float, Field(ge=10, le=604800)]
    suffixes: Annotated[tuple[Suffix, ...], Field(min_length=1, max_length=MOST_ENTRIES)]
    ignore: Annotated[tuple[str, ...], Field(max_length=MOST_ENTRIES)]
    follow_links: bool


class ClusterPath(SettingsSection):
    """How the machines of the cluster spell the paths below a folder."""

    here: AbsolutePath
    there: AbsolutePath


class AnalysisSettings(SettingsSection):
    """The workers, their limits, and when they wait for other programs."""

    workers: Annotated[int, Field(ge=0, le=64)]
    timeout_s: Annotated[float, Field(ge=1, le=86400)]
    memory_mib: Annotated[int, Field(ge=512, le=65536)]
    nice: Annotated[int, Field(ge=0, le=19)]
    renew_after: Annotated[int, Field(ge=1, le=1_000_000)]
    max_load: Annotated[float, Field(ge=0, le=1000)]
    on_battery: Literal["pause", "continue"]
    cluster: Annotated[str, AfterValidator(cluster_address)]
    cluster_path: Annotated[tuple[ClusterPath, ...], Field(max_length=MOST_ENTRIES)]


class TagSettings(SettingsSection):
    """Whether and how values are written into the files' tags."""

    mode: TagMode
    preset: TagPreset
    mood: bool
    keep_mtime: bool
    step: Annotated[int, Field(ge=1, le=100)]


class CatalogueSettings(SettingsSection):
    """Where the catalogue is; an empty URL means the state directory."""

    url: Annotated[str, AfterValidator(_catalogue_url)]


class MoodSettings(SettingsSection):
    """The thresholds between the four moods, both in [-1, 1]."""

    arousal_threshold: Affect
    valence_threshold: Affect


class AnnotationSettings(SettingsSection):
    """Where annotations come from."""

    folder: Annotated[AbsolutePath | None, BeforeValidator(lambda value: value or None)]
    from_folder: bool
    from_tags: bool
    from_commands: bool
    annotator_column: bool


class RetrainSettings(SettingsSection):
    """When to train on annotations, and how many bundles to keep."""

    schedule: str
    min_annotations: Annotated[int, Field(ge=1)]
    keep: Annotated[int, Field(ge=1, le=100)]


def _playlist(path: Path) -> Path:
    if path.suffix not in {".m3u8", ".m3u"}:
        raise ValueError("a file that ends in .m3u8 or .m3u is accepted")
    return path


class PlaylistSettings(SettingsSection):
    """A playlist that the service keeps up to date; `query` holds options of `valenced query`."""

    name: Annotated[str, Field(min_length=1)]
    query: str
    file: Annotated[AbsolutePath, AfterValidator(_playlist)]


class PageSettings(SettingsSection):
    """Where the page is served, and who may use it."""

    listen: Annotated[str, AfterValidator(_listenable)]
    names: Annotated[tuple[HostName, ...], Field(max_length=MOST_ENTRIES)] = ()
    user_header: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+)?$", max_length=100)] = ""
    proxies: Annotated[tuple[Network, ...], Field(max_length=MOST_ENTRIES)] = ()


class LogSettings(SettingsSection):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"]


class Settings(SettingsSection):
    """All settings in force."""

    playlist: Annotated[tuple[PlaylistSettings, ...], Field(max_length=MOST_ENTRIES)]
    watch: WatchSettings
    analysis: AnalysisSettings
    tags: TagSettings
    catalogue: CatalogueSettings
    mood: MoodSettings
    annotations: AnnotationSettings
    retrain: RetrainSettings
    page: PageSettings
    log: LogSettings


def differences(before: Settings, after: Settings) -> list[str]:
    """Return the dotted keys whose values differ, in the order of the schema."""
    changed = ["playlist"] if before.playlist != after.playlist else []
    return changed + [
        f"{section}.{key}"
        for section in Settings.model_fields
        if section != "playlist"
        for key in type(getattr(before, section)).model_fields
        if getattr(getattr(before, section), key) != getattr(getattr(after, section), key)
    ]
