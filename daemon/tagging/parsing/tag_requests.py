"""Answers the requests of the service about the tags in open files, in types that JSON has.

    do           files           other fields                     answer
    tags_read    file                                             items
    tags_plan    file            kind, items, owned, first, base  was, wanted, ours, before, content
    tags_prove   original, copy  kind, ours, wanted, audio_hash   audio_hash

Fields are those of `TagJob`, `TagPlan` and `Claim`; what a file is made of is packed and in base64.
A file that is left alone is answered by `refused` (the reason), `retry` and `unproven`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.tagging.basics import keys
from daemon.tagging.basics.byte_views import Assembled, OpenFile
from daemon.tagging.basics.packed_pieces import packed, unpacked
from daemon.tagging.basics.tag_errors import (
    LONG_VALUES,
    MUCH_TO_REWRITE,
    TagsRefused,
    Unproven,
    damage_refused,
    refusal_of,
)
from daemon.tagging.basics.tag_jobs import (
    MOST_CONTENT_BYTES,
    MOST_TEXT,
    MOST_VALUES,
    Claim,
    JobKind,
    TagsBefore,
)
from daemon.tagging.formats.detect import container_of
from daemon.tagging.parsing import edit_plan
from daemon.tagging.parsing.delta import briefly
from daemon.tagging.parsing.proof import prove

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.parsing.edit_plan import EditPlan
    from daemon.tagging.parsing.proof import FfmpegReader

    Request = Mapping[str, Any]
    Answer = dict[str, Any]

_MOST_NEW_BYTES = 256 * 1024


def answer(request: Request, files: Sequence[int], reader: FfmpegReader) -> Answer:
    """Return the answer to a request.

    Raises:
        ClipError: `reader` cannot read a file.
        MemoryError: the memory of this process does not suffice.
    """
    try:
        return REQUESTS[request["do"]](request, files, reader)
    except TagsRefused as error:
        refused = error
    except OSError as error:
        refused = refusal_of(error)
    unproven = isinstance(refused, Unproven)
    return {"refused": refused.reason, "retry": refused.retry, "unproven": unproven}


def _read(_: Request, files: Sequence[int], __: FfmpegReader) -> Answer:
    view = OpenFile(files[0])
    with damage_refused():
        items = container_of(view).items(view, keys.ALL_KEYS)
    _demand_short(items)
    return {"items": items}


def _plan(request: Request, files: Sequence[int], _: FfmpegReader) -> Answer:
    view = OpenFile(files[0])
    with damage_refused():
        plan = _planned(view, request)
    _demand_short(plan.was)
    _demand_short({key: values or [] for key, values in plan.before.items.items()})
    return {
        "was": plan.was,
        "wanted": plan.wanted,
        "ours": sorted(plan.ours),
        "before": asdict(plan.before),
        "content": None if plan.content is None else _described(plan.content),
    }


def _planned(view: View, request: Request) -> EditPlan:
    first = None if request["first"] is None else TagsBefore(**request["first"])
    base = None
    if request["base"] is not None:
        base = Assembled(view, unpacked(b64decode(request["base"]), view.size))
    match request["kind"]:
        case JobKind.WRITE:
            return edit_plan.to_write(view, request["items"], first, base)
        case JobKind.STRIP:
            owned = request["owned"]
            owned = None if owned is None else frozenset(owned)
            return edit_plan.to_strip(view, owned, first, base)
        case JobKind.RESTORE if first is not None and base is not None:
            return edit_plan.to_restore(view, first, base)
        case JobKind.RESET if first is not None:
            return edit_plan.to_reset(view, first)
    raise ValueError("no job about tags")


def _described(content: Assembled) -> str:
    described = packed(briefly(content, _MOST_NEW_BYTES))
    if len(described) > MOST_CONTENT_BYTES:
        raise TagsRefused(MUCH_TO_REWRITE)
    return b64encode(described).decode("ascii")


def _demand_short(items: Mapping[str, list[str]]) -> None:
    values = [value for texts in items.values() for value in texts]
    if len(values) > MOST_VALUES or sum(map(len, values)) > MOST_TEXT:
        raise TagsRefused(LONG_VALUES)


def _prove(request: Request, files: Sequence[int], reader: FfmpegReader) -> Answer:
    ours, audio_hash = frozenset(request["ours"]), request["audio_hash"]
    claim = Claim(request["kind"], ours, request["wanted"], audio_hash)
    return {"audio_hash": prove(files[0], files[1], claim, reader)}


REQUESTS: Mapping[str, Callable[[Request, Sequence[int], FfmpegReader], Answer]] = {
    "tags_read": _read,
    "tags_plan": _plan,
    "tags_prove": _prove,
}
