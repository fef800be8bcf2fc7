"""The base class of every error that this project raises on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ValencedError(Exception):
    """An error for the user: the message says what, where, and what to do about it."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to be shown; a line break inside one comes from a name that it quotes."""
        return (str(self),)


class SettingsError(ValencedError):
    """The settings cannot be used.

    Args:
        problems: one line for each wrong key: the key, the value found, what is accepted.
    """

    exit_code = 78

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem."""
        return self.problems
