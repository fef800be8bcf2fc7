"""Reads the settings: defaults, then a file, then the environment, then the command line."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from config.default_paths import DefaultPaths, default_paths
from config.defaults import default_values, flattened
from config.errors import SettingsError
from config.settings import ClusterPath, FolderSettings, PlaylistSettings, Settings, SettingsSection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

ENVIRONMENT_PREFIX: Final = "VALENCED_"
DEFAULT_SOURCE: Final = "default"

LARGEST_FILE: Final = 256 * 1024
MOST_PROBLEMS: Final = 50
_LONGEST_QUOTE: Final = 200

_TABLES: Final[Mapping[str, type[SettingsSection]]] = {
    "playlist": PlaylistSettings,
    "watch.folder": FolderSettings,
    "analysis.cluster_path": ClusterPath,
}

RENAMED_VALUES: Final = {("analysis.on_battery", "go on"): "continue"}
"""Old values of settings, by key and value, that this release still accepts as the new ones."""


@dataclass(frozen=True)
class LoadedSettings:
    """The settings in force and where each came from.

    Attributes:
        settings: all of them, validated.
        sources: for each dotted key, `default`, the file, the variable or the option it came from.
        paths: those that follow from the environment.
        warnings: one line for each value that is spelled as in an earlier release.
        reload: reads the same layers again, as `load` does.
    """

    settings: Settings
    sources: Mapping[str, str]
    paths: DefaultPaths
    warnings: Sequence[str]
    reload: Callable[[], LoadedSettings]


class _NotToml(ValueError):
    """A text is not TOML, or too large; the message says why."""


class _Entry(NamedTuple):
    value: Any
    source: str


def load(
    *, environ: Mapping[str, str], file: Path | None = None, overrides: Sequence[str] = ()
) -> LoadedSettings:
    """Read and validate all settings once.

    Args:
        environ: the environment; `VALENCED_WATCH_SETTLE_S=5` sets `watch.settle_s`.
        file: a settings file that must exist; None looks in the usual places.
        overrides: `KEY=VALUE` texts from the command line, the strongest layer.

    Raises:
        SettingsError: anything is wrong; every problem is listed, one line each.
    """
    paths = default_paths(environ)
    if file is not None:
        paths = replace(paths, settings_files=(file,))
    problems: list[str] = []
    entries = {key: _Entry(value, DEFAULT_SOURCE) for key, value in default_values().items()}
    known = frozenset(entries)
    for layer in (
        _from_file(file, paths.settings_files, problems),
        _from_environment(environ, known),
        _from_overrides(overrides, problems),
    ):
        for key, entry in layer:
            if key in known:
                entries[key] = entry
            elif len(problems) < MOST_PROBLEMS:
                problems.append(_unknown(_cut(key), entry.source, known))
    warnings = list(_replace_old_values(entries))
    return LoadedSettings(
        _validated(entries, problems),
        {key: entry.source for key, entry in entries.items()},
        paths,
        warnings,
        lambda: load(environ=environ, file=file, overrides=overrides),
    )


def _from_file(
    file: Path | None, usual: Iterable[Path], problems: list[str]
) -> Iterator[tuple[str, _Entry]]:
    chosen = file
    try:
        chosen = file or next((path for path in usual if path.is_file()), None)
        if chosen is None:
            return
        table = _toml(_content(chosen))
    except (OSError, UnicodeDecodeError) as error:
        path = chosen or getattr(error, "filename", None)
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
    except _NotToml as error:
        problems.append(f"{chosen}: {error}")
    else:
        for key, value in flattened(table):
            yield key, _Entry(value, str(chosen))


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _NotToml(f"larger than {LARGEST_FILE >> 10} KiB")
    return content.decode("utf-8")


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise _NotToml("not valid TOML: nested too deeply") from error
    except ValueError as error:
        # Of numbers with thousands of digits, Python itself complains.
        raise _NotToml(f"not valid TOML: {error}") from error


def _from_environment(
    environ: Mapping[str, str], known: frozenset[str]
) -> Iterator[tuple[str, _Entry]]:
    by_variable = {_variable(key): key for key in known}
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            yield by_variable.get(variable, variable), _Entry(_parsed(text), variable)


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "_")


def _from_overrides(overrides: Sequence[str], problems: list[str]) -> Iterator[tuple[str, _Entry]]:
    for text in overrides:
        key, equals, value = text.partition("=")
        if equals:
            yield key.strip(), _Entry(_parsed(value), "--set")
        else:
            problems.append(f"--set {_cut(text)}: KEY=VALUE is accepted")


def _parsed(text: str) -> Any:
    """Read a value as TOML, or as plain text where it is not a TOML value."""
    try:
        return _toml(f"value = {text}")["value"]
    except _NotToml:
        return text


def _unknown(key: str, source: str, known: frozenset[str]) -> str:
    spelled = map(_variable, known) if key.startswith(ENVIRONMENT_PREFIX) else known
    return f"{key}: unknown setting (from {source}); the nearest is {_nearest(key, spelled)}"


def _nearest(word: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0)[0]


def _replace_old_values(entries: dict[str, _Entry]) -> Iterator[str]:
    """Replace the values of earlier releases, and yield a warning for each."""
    for (key, old), new in RENAMED_VALUES.items():
        value, source = entries[key]
        if value == old:
            entries[key] = _Entry(new, source)
            yield (
                f"{key} = {old!r} (from {source}): write {new!r}; the next release no longer "
                f"accepts {old!r}"
            )


def _validated(entries: Mapping[str, _Entry], problems: list[str]) -> Settings:
    nested: dict[str, Any] = {}
    for key, entry in entries.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = entry.value
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        # A list counts as too short also where it holds wrong values only, each of which is told.
        told = (each for each in error.errors() if each["type"] != "too_short" or not each["input"])
        problems.extend(_problem(detail, entries) for detail in islice(told, MOST_PROBLEMS))
        raise SettingsError(problems) from error
    if problems:
        raise SettingsError(problems)
    return settings


_PLAIN: Final = {
    **dict.fromkeys(("float_parsing", "float_type"), "a number is accepted"),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number is accepted"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false is accepted"),
    "string_type": "a text in quotes is accepted",
    "path_type": "a path in quotes is accepted",
    "tuple_type": "a list in square brackets is accepted",
    "too_short": "at least one value is needed",
    **dict.fromkeys(("model_type", "model_attributes_type"), "a table is accepted"),
    "string_too_short": "a text that is not empty is accepted",
    "missing": "this setting is needed",
    "finite_number": "a finite number is accepted",
    **dict.fromkeys(("enum", "literal_error"), "{expected} is accepted"),
    "greater_than_equal": "{ge} or more is accepted",
    "greater_than": "more than {gt} is accepted",
    "less_than_equal": "{le} or less is accepted",
    "less_than": "less than {lt} is accepted",
}
"""What is accepted instead, by pydantic's types of errors, whose context fills in the limits."""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _problem(detail: ErrorDetails, entries: Mapping[str, _Entry]) -> str:
    depth = 1 if detail["loc"][0] in entries else 2
    key = ".".join(str(part) for part in detail["loc"][:depth])
    inner = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"][depth:]
    )
    plain = _PLAIN.get(detail["type"])
    message = detail["msg"].removeprefix("Value error, ")
    if plain is not None:
        message = plain.format_map(detail.get("ctx", {}))
    if detail["type"] == "extra_forbidden":
        table = _TABLES[key]
        nearest = _nearest(str(detail["loc"][-1]), table.model_fields)
        message = f"unknown setting; the nearest is {nearest}"
    found = ""
    # An address may hold a password.
    if detail["type"] not in {"missing", "extra_forbidden"} and key != "catalogue.url":
        found = f" = {_cut(repr(detail['input']))}"
    source = entries[key].source
    return f"{key}{inner}{found} (from {source}): {message[0].lower()}{message[1:]}"
