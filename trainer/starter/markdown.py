"""Markdown tables, and the generated part of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_BEGIN: Final = "<!-- written by trainer.starter.build report -->"
_END: Final = "<!-- end of what is written -->"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with one heading."""
    return "\n".join(
        f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"
        for cells in (heads, ["---"] * len(heads), *rows)
    )


def put_between_marks(page: Path, report: str) -> None:
    """Replace the text between the two marks of a page.

    Raises:
        TrainingError: the page cannot be read or written, or lacks the marks.
    """
    try:
        before, rest = page.read_text(encoding="utf-8").split(_BEGIN)
        after = rest.split(_END)[1]
        page.write_text(f"{before}{_BEGIN}\n\n{report}\n\n{_END}{after}", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{page}: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise TrainingError(f"{page}: has no part marked for the report") from error
