"""Paths of the rated corpora next to a checkout; tests that need them are skipped without them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
CORPORA = SHARED / "corpora"
REFERENCE = SHARED / "reference"
INBOX = SHARED / "inbox"
