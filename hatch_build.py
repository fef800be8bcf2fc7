"""Adds the man pages and the completions of the shells to the wheel, made from the command line."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import ShellComplete, get_completion_class
from click_man.core import write_man_pages
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPLETIONS: Final = {
    "bash": "bash-completion/completions/valenced",
    "zsh": "zsh/site-functions/_valenced",
    "fish": "fish/vendor_completions.d/valenced.fish",
}
"""Where the shells look for completions, below `share`."""

LONGEST_SUMMARY: Final = 1000


class ManualHook(BuildHookInterface):
    """Makes the files, and names them as data of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files in a folder that lasts until the wheel is written."""
        del version
        self._folder = tempfile.TemporaryDirectory()  # until `finalize`
        made = Path(self._folder.name)
        # Nothing but click is needed to ask the command line for its help.
        sys.path.insert(0, self.root)
        try:
            write_files(made, self.metadata.version, release_date(Path(self.root, "CHANGELOG.md")))
        finally:
            sys.path.remove(self.root)
        build_data["shared_data"] |= {
            str(file): f"share/{file.relative_to(made)}"
            for file in made.rglob("*")
            if file.is_file()
        }

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files, which are in the wheel now."""
        del version, build_data, artifact_path
        self._folder.cleanup()


def write_files(folder: Path, version: str, date: str) -> None:
    """Write a man page for each command, and the completion for each shell, below a folder."""
    # Only now can it be imported: the folder of the repository is not on the path before.
    from daemon.cli.main import valenced  # noqa: PLC0415

    pages = folder / "man" / "man1"
    pages.mkdir(parents=True)
    _prepare(valenced)
    write_man_pages("valenced", valenced, version=version, target_dir=str(pages), date=date)
    for shell, name in COMPLETIONS.items():
        kind = get_completion_class(shell)
        assert kind is not None
        # bash's own method would ask the bash of the machine that builds for its version.
        text = ShellComplete.source(kind(valenced, {}, "valenced", "_VALENCED_COMPLETE"))
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text, encoding="utf-8")


def _prepare(command: click.Command) -> None:
    """Show click-man all commands, which are imported on demand, and whole summaries."""
    command.short_help = command.get_short_help_str(LONGEST_SUMMARY).removesuffix(".")
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            command.add_command(inner, name)
            _prepare(inner)


def release_date(changelog: Path) -> str:
    """Return the date of the newest release in the changelog."""
    dates = re.findall(
        r"^## .*(\d{4}-\d\d-\d\d)", changelog.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dates[0]
