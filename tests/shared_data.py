"""The rated corpora beside a checkout. Tests that need them are skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
CORPORA = SHARED / "corpora"
REFERENCE = SHARED / "reference"
INBOX = SHARED / "inbox"
