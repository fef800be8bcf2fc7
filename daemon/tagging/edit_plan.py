"""What to change in a file's bytes so that our keys say what they should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.tagging.formats import keys
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.splices import Patched, inverse
from daemon.tagging.formats.tag_errors import TagsRefused
from daemon.tagging.undo_record import UndoRecord

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.format import Container, Layout
    from daemon.tagging.formats.keys import Changes, Items
    from daemon.tagging.formats.splices import Splice, View


@dataclass(frozen=True)
class UndoTarget:
    """What the journal leads back to.

    Attributes:
        items: our keys as they were there; None where a key was absent.
        layout: of the tags there.
        undo: from the bytes after the edit to the bytes there; None if those are lost.
    """

    items: dict[str, list[str] | None]
    layout: Layout
    undo: list[Splice] | None


@dataclass(frozen=True)
class EditPlan:
    """An edit, and what must be true of its result.

    Attributes:
        kind: of the container.
        was: what stands under our keys.
        wanted: what shall stand under them.
        ours: the keys concerned; all others must stay.
        edited: the file after the edit; None if there is nothing to do.
        base: what the journal leads back to.
    """

    kind: str
    was: Items
    wanted: Items
    ours: frozenset[str] = frozenset()
    edited: Patched | None = None
    base: UndoTarget | None = None

    def record(self) -> UndoRecord:
        """Return the journal record of the edit."""
        assert self.edited is not None
        assert self.base is not None
        base = self.base
        return UndoRecord.taken(self.kind, base.items, base.layout, self.edited, base.undo)


def to_write(view: View, items: Items, first: UndoRecord | None) -> EditPlan:
    """Plan a write.

    Args:
        view: the file.
        items: wanted; a mood gives way to one that is not ours.
        first: record of our first write, if there was one.

    Raises:
        Refused: the file's structure does not allow it.
    """
    container = container_of(view)
    present = container.items(view, keys.ALL_KEYS)
    owned = set(keys.owned_keys(present))
    if len(present.get(keys.MOOD, ())) > 1:
        owned.discard(keys.MOOD)
    wanted = dict(items)
    if keys.MOOD in present and keys.MOOD not in owned:
        wanted.pop(keys.MOOD, None)
    wanted = keys.with_owned_keys(wanted)
    stale = owned - set(wanted)
    if not stale and keys.same_but_for_time(present, wanted):
        was = _only(present, wanted)
        return EditPlan(container.kind, was, was)
    earlier = first.items if first else {}
    changes: Changes = {**{key: earlier.get(key) or [] for key in stale}, **wanted}
    undo = first.undone_by(view) if first else None
    if undo is not None:
        return _edit(view, Patched(view, undo), container, changes, keep_block=True)
    plan = _edit(view, view, container, changes, keep_block=True)
    if first is None or plan.base is None:
        return plan
    # Another program has written since: the old bytes are lost, but not the old values.
    return replace(plan, base=UndoTarget({**plan.base.items, **first.items}, first.layout, None))


def to_strip(view: View, owned: frozenset[str] | None) -> EditPlan:
    """Plan taking our keys out.

    Args:
        view: the file.
        owned: our keys as the catalogue knows them; None for what the file itself says.

    Raises:
        Refused: the file's structure does not allow it.
    """
    container = container_of(view)
    present = container.items(view, keys.ALL_KEYS)
    ours = keys.owned_keys(present) if owned is None else owned & keys.ALL_KEYS
    return _edit(view, view, container, {key: [] for key in ours}, keep_block=False)


def to_restore(view: View, first: UndoRecord) -> EditPlan:
    """Plan bringing the old bytes back where they are known and fit, else the old values.

    Raises:
        Refused: the file's structure does not allow it.
    """
    undo = first.undone_by(view)
    if undo is None:
        return to_reset(view, first)
    container = container_of(view)
    ours = frozenset(first.items)
    was = container.items(view, ours)
    items = {key: was.get(key) for key in ours}
    base = UndoTarget(items, container.layout(view), inverse(view, undo))
    return EditPlan(container.kind, was, _recorded(first), ours, Patched(view, undo), base)


def to_reset(view: View, first: UndoRecord) -> EditPlan:
    """Plan giving our keys their old values, whatever else has changed in the file since.

    Raises:
        Refused: the file is of another kind now, or its structure does not allow it.
    """
    container = container_of(view)
    if container.kind != first.kind:
        raise TagsRefused(
            f"it was {first.kind} when tagged and is {container.kind} now; left alone"
        )
    changes = {key: values or [] for key, values in first.items.items()}
    if container.items(view, changes) == _recorded(first):
        changes = {}
    return _edit(view, view, container, changes, keep_block=first.layout.block)


def _edit(
    view: View,
    base: View,
    container: Container,
    changes: Changes,
    *,
    keep_block: bool,
) -> EditPlan:
    """Plan changes to `base`, which is the file or the file as it once was."""
    ours = frozenset(changes)
    was = container.items(view, ours)
    splices = container.plan(base, changes, keep_block=keep_block) if changes else []
    if not splices and base is view:
        return EditPlan(container.kind, was, was)
    edited = Patched(base, splices)
    old = container.items(base, ours)
    back = UndoTarget(
        {key: old.get(key) for key in ours},
        container.layout(base),
        inverse(base, splices),
    )
    wanted = {key: values for key, values in changes.items() if values}
    return EditPlan(container.kind, was, wanted, ours, edited, back)


def _only(items: Items, wanted: Collection[str]) -> Items:
    return {key: values for key, values in items.items() if key in wanted}


def _recorded(first: UndoRecord) -> Items:
    return {key: values for key, values in first.items.items() if values is not None}
