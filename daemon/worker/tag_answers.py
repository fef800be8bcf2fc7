"""Checks what a worker answers about tags: a hostile file may have taken its process over.

Every function raises one of `worker_answers.INVALID` for an answer that cannot be right, and
TagsRefused if the worker left the file alone.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from daemon.tagging.basics.keys import ALL_KEYS
from daemon.tagging.basics.packed_pieces import unpacked
from daemon.tagging.basics.tag_errors import TagsRefused, Unproven
from daemon.tagging.basics.tag_jobs import (
    KINDS,
    MOST_CONTENT_BYTES,
    MOST_TEXT,
    MOST_VALUES,
    MOST_WRITTEN,
    TagPlan,
    TagsBefore,
)
from daemon.worker.worker_answers import hash_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tagging.basics.byte_views import Piece
    from daemon.tagging.basics.keys import Items

    Answer = Mapping[str, Any]

_LONGEST_REASON = 300
_BEFORE = {field.name for field in fields(TagsBefore)}


def items_in(answer: Answer) -> Items:
    """Return the items of ours in a file."""
    _demand_fields(answer, {"items"})
    return _items(answer["items"])


def plan_in(answer: Answer, size: int) -> TagPlan:
    """Return the plan of an edit of a file of this size in bytes."""
    _demand_fields(answer, {"was", "wanted", "ours", "before", "content"})
    ours = frozenset(answer["ours"])
    if not ours <= ALL_KEYS:
        raise ValueError("keys of others")
    was, wanted = _items(answer["was"]), _items(answer["wanted"])
    if not ours >= was.keys() | wanted.keys():
        raise ValueError("other keys than those concerned")
    content = answer["content"]
    return TagPlan(
        was, wanted, ours, None if content is None else _pieces(content, size), _before(answer)
    )


def proof_in(answer: Answer) -> str:
    """Return the hash of a copy's audio packets, if the worker found nothing against the copy."""
    _demand_fields(answer, {"audio_hash"})
    return hash_in(answer["audio_hash"])


def _demand_fields(answer: Answer, expected: set[str]) -> None:
    if "refused" in answer:
        reason, retry, unproven = (answer[name] for name in ("refused", "retry", "unproven"))
        if not (isinstance(retry, bool) and isinstance(unproven, bool)):
            raise TypeError("no answer by yes or no")
        text = _line(reason)
        raise Unproven(text) if unproven else TagsRefused(text, retry=retry)
    if answer.keys() != expected:
        raise ValueError("other fields than were requested")


def _line(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise TypeError("no reason")
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST_REASON]).split())


def _items(found: object) -> Items:
    if not isinstance(found, dict) or not found.keys() <= ALL_KEYS:
        raise TypeError("no items of ours")
    for values in found.values():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise TypeError("no list of values")
    values = [value for texts in found.values() for value in texts]
    if len(values) > MOST_VALUES or sum(map(len, values)) > MOST_TEXT:
        raise ValueError("more values than a file of ours holds")
    return found


def _before(answer: Answer) -> TagsBefore:
    before = answer["before"]
    if before.keys() != _BEFORE or before["kind"] not in KINDS:
        raise ValueError("no tags as they were")
    if not (isinstance(before["block"], bool) and isinstance(before["is_clean"], bool)):
        raise TypeError("no answer by yes or no")
    for items in (before["items"], before["left"]):
        _items({key: values for key, values in items.items() if values is not None})
        if not items.keys() <= ALL_KEYS:
            raise ValueError("keys of others")
    if before["items"].keys() != before["left"].keys():
        raise ValueError("other keys before than after")
    return TagsBefore(**before)


def _pieces(text: object, size: int) -> list[Piece]:
    if not isinstance(text, str) or len(text) > 2 * MOST_CONTENT_BYTES:
        raise TypeError("no description of a file")
    raw = b64decode(text, validate=True)
    if len(raw) > MOST_CONTENT_BYTES:
        raise ValueError("more new content than any tags")
    pieces = unpacked(raw, size)
    if sum(len(p) if isinstance(p, bytes) else p.length for p in pieces) > size + MOST_WRITTEN:
        raise ValueError("a longer file than any tags make it")
    return pieces
