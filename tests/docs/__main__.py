"""Writes the examples of README, docs/picture.svg and the commands of docs/reference.md again.

python -m tests.docs
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs import commands, examples
from tests.docs.pages import README, REFERENCE
from tests.shared_data import INBOX


def main() -> None:
    """Write what can be written."""
    _rewrite(REFERENCE, commands.updated(REFERENCE.read_text("utf-8")))
    if not INBOX.is_dir():
        sys.exit(f"the examples stay as they are: the recordings are not in {INBOX}")
    with tempfile.TemporaryDirectory() as folder:
        recordings = examples.Examples(Path(folder))
        _rewrite(README, examples.updated(README.read_text("utf-8"), recordings))
        _rewrite(examples.PICTURE, recordings.picture())


def _rewrite(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
