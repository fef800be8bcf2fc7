"""Which edit makes our keys in a file say what they should, and what it can be undone to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from daemon.tagging.formats import keys
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.format import Edit
from daemon.tagging.formats.tag_errors import TagsRefused
from daemon.tagging.undo_record import UndoRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tagging.formats.byte_views import View
    from daemon.tagging.formats.format import Container
    from daemon.tagging.formats.keys import Changes, Items


@dataclass(frozen=True)
class EditPlan:
    """An edit, and what must be true of its result.

    Attributes:
        kind: of the container.
        was: the present values of our keys.
        wanted: their values after the edit.
        ours: the keys concerned; all others must stay.
        edit: None if there is nothing to do.
        base: the file that the undo record leads back to; None if its bytes are lost.
        base_items: the values of our keys there; None where a key was absent.
        base_has_block: whether there is a tag block.
    """

    kind: str
    was: Items
    wanted: Items
    ours: frozenset[str] = frozenset()
    edit: Edit | None = None
    base: View | None = None
    base_items: Mapping[str, list[str] | None] = field(default_factory=dict)
    base_has_block: bool = False

    def record(self, made: View) -> UndoRecord:
        """Return the undo record.

        Args:
            made: the file after the edit.
        """
        return UndoRecord.of(
            self.kind, self.base_items, self.base, made, had_block=self.base_has_block
        )


def to_write(view: View, items: Items, first: UndoRecord | None) -> EditPlan:
    """Plan a write.

    Args:
        view: the file.
        items: wanted; a mood that is not ours is left instead of the wanted one.
        first: record of our first write, if there was one.

    Raises:
        TagsRefused: the file's structure does not allow it.
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
        was = {key: values for key, values in present.items() if key in wanted}
        return EditPlan(container.kind, was, was)
    earlier = first.items if first else {}
    changes: Changes = {**{key: earlier.get(key) or [] for key in stale}, **wanted}
    base = first.undone(view) if first else None
    plan = _plan(view, base or view, container, changes, keep_block=True)
    if first is None or base is not None:
        return plan
    # Another program has written since: the old bytes are lost, but not the old values.
    return replace(
        plan,
        base=None,
        base_items={**plan.base_items, **first.items},
        base_has_block=first.had_block,
    )


def to_strip(view: View, owned: frozenset[str] | None) -> EditPlan:
    """Plan removing our keys.

    Args:
        view: the file.
        owned: our keys as the catalogue knows them; None for those that the file itself names.

    Raises:
        TagsRefused: the file's structure does not allow it.
    """
    container = container_of(view)
    present = container.items(view, keys.ALL_KEYS)
    ours = keys.owned_keys(present) if owned is None else owned & keys.ALL_KEYS
    return _plan(view, view, container, {key: [] for key in ours}, keep_block=False)


def to_restore(view: View, first: UndoRecord) -> EditPlan:
    """Plan restoring the old bytes where they are known and fit, else the old values.

    Raises:
        TagsRefused: the file's structure does not allow it.
    """
    old = first.undone(view)
    if old is None:
        return to_reset(view, first)
    container = container_of(view)
    ours = frozenset(first.items)
    was = container.items(view, ours)
    return EditPlan(
        container.kind,
        was,
        _recorded(first),
        ours,
        Edit(old),
        base=view,
        base_items={key: was.get(key) for key in ours},
        base_has_block=container.has_block(view),
    )


def to_reset(view: View, first: UndoRecord) -> EditPlan:
    """Plan giving our keys their old values, whatever else has changed in the file since.

    Raises:
        TagsRefused: the file is of another kind now, or its structure does not allow it.
    """
    container = container_of(view)
    if container.kind != first.kind:
        raise TagsRefused(
            f"it was {first.kind} when tagged and is {container.kind} now; left alone"
        )
    changes = {key: values or [] for key, values in first.items.items()}
    return _plan(view, view, container, changes, keep_block=first.had_block)


def _plan(
    view: View,
    base: View,
    container: Container,
    changes: Changes,
    *,
    keep_block: bool,
) -> EditPlan:
    """Plan changes to `base`, which is the file or the file as it once was."""
    ours = frozenset(changes)
    wanted = {key: values for key, values in changes.items() if values}
    was = container.items(view, ours)
    if base is view and was == wanted:
        return EditPlan(container.kind, was, was)
    old = container.items(base, ours)
    return EditPlan(
        container.kind,
        was,
        wanted,
        ours,
        container.edit(base, changes, keep_block=keep_block),
        base=base,
        base_items={key: old.get(key) for key in ours},
        base_has_block=container.has_block(base),
    )


def _recorded(first: UndoRecord) -> Items:
    return {key: values for key, values in first.items.items() if values is not None}
