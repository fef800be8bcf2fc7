"""Plans the edit that gives our keys their wanted values, and the undo record for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.tagging.formats import keys
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.format import Edit
from daemon.tagging.formats.tag_errors import TagsRefused
from daemon.tagging.undo_record import UndoRecord

if TYPE_CHECKING:
    from daemon.tagging.formats.byte_views import View
    from daemon.tagging.formats.format import Container
    from daemon.tagging.formats.keys import Changes, Items


@dataclass(frozen=True)
class EditPlan:
    """An edit, and what must be true of its result. Its planners may raise TagsRefused.

    Attributes:
        was: the present values of our keys.
        wanted: their values after the edit.
        ours: the keys concerned; all others must stay.
        edit: None if there is nothing to do.
        undo: the undo record, still without how to get from the new file to `base`.
        base: the file that `undo` leads back to; None if its bytes are lost.
    """

    was: Items
    wanted: Items
    ours: frozenset[str]
    edit: Edit | None
    undo: UndoRecord
    base: View | None


def to_write(view: View, items: Items, first: UndoRecord | None) -> EditPlan:
    """Plan a write.

    Args:
        view: the file.
        items: wanted; a mood in the file that is not ours stays instead of the wanted one.
        first: record of our first write, if there was one.
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
        wanted = {key: values for key, values in present.items() if key in wanted}
        return _plan(view, view, container, wanted, keep_block=True)
    earlier = first.items if first else {}
    changes: Changes = {**{key: earlier.get(key) or [] for key in stale}, **wanted}
    base = first.undone(view) if first else None
    plan = _plan(view, base or view, container, changes, keep_block=True)
    if first is None or base is not None:
        return plan
    # Another program has written since: the old bytes are lost, but not the old values.
    undo = replace(plan.undo, items={**plan.undo.items, **first.items}, block=first.block)
    return replace(plan, base=None, undo=undo)


def to_strip(view: View, owned: frozenset[str] | None) -> EditPlan:
    """Plan removing our keys.

    Args:
        view: the file.
        owned: our keys as the catalogue knows them; None for those that the file itself lists.
    """
    container = container_of(view)
    present = container.items(view, keys.ALL_KEYS)
    ours = keys.owned_keys(present) if owned is None else owned & keys.ALL_KEYS
    return _plan(view, view, container, {key: [] for key in ours}, keep_block=False)


def to_restore(view: View, first: UndoRecord) -> EditPlan:
    """Plan restoring the old bytes where they are known and fit, else the old values."""
    old = first.undone(view)
    if old is None:
        return to_reset(view, first)
    container = container_of(view)
    ours = frozenset(first.items)
    wanted = {key: values for key, values in first.items.items() if values is not None}
    undo = _undo_to(view, container, ours)
    return EditPlan(container.items(view, ours), wanted, ours, Edit(old), undo, view)


def to_reset(view: View, first: UndoRecord) -> EditPlan:
    """Plan giving our keys their old values, whatever else has changed in the file since."""
    container = container_of(view)
    if container.kind != first.kind:
        raise TagsRefused(f"format changed since tagging ({first.kind}, now {container.kind})")
    changes = {key: values or [] for key, values in first.items.items()}
    return _plan(view, view, container, changes, keep_block=first.block)


def _plan(
    view: View, base: View, container: Container, changes: Changes, *, keep_block: bool
) -> EditPlan:
    """Plan changes to `base`, which is the file or the file as it once was."""
    ours = frozenset(changes)
    was = container.items(view, ours)
    wanted = {key: values for key, values in changes.items() if values}
    undo = _undo_to(base, container, ours)
    edit = None if was == wanted else container.edit(base, changes, keep_block=keep_block)
    return EditPlan(was, wanted, ours, edit, undo, base)


def _undo_to(base: View, container: Container, ours: frozenset[str]) -> UndoRecord:
    old = container.items(base, ours)
    items = {key: old.get(key) for key in ours}
    return UndoRecord(container.kind, items, container.has_block(base))
