"""What to change in a file's bytes so that our keys say what they should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.tagging import keys
from daemon.tagging.containers import container_of
from daemon.tagging.failures import Refused
from daemon.tagging.journal import Before
from daemon.tagging.splices import Patched, inverse

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.contract import Container, Layout
    from daemon.tagging.keys import Changes, Items
    from daemon.tagging.splices import Splice, View


@dataclass(frozen=True)
class Base:
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
class Plan:
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
    base: Base | None = None

    def record(self) -> Before:
        """Return the journal record of the edit."""
        assert self.edited is not None
        assert self.base is not None
        base = self.base
        return Before.taken(self.kind, base.items, base.layout, self.edited, base.undo)


def to_write(view: View, items: Items, first: Before | None) -> Plan:
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
        return Plan(container.kind, was, was)
    earlier = first.items if first else {}
    changes: Changes = {**{key: earlier.get(key) or [] for key in stale}, **wanted}
    undo = first.undone_by(view) if first else None
    if undo is not None:
        return _edit(view, Patched(view, undo), container, changes, keep_block=True)
    plan = _edit(view, view, container, changes, keep_block=True)
    if first is None or plan.base is None:
        return plan
    # Another program has written since: the old bytes are lost, but not the old values.
    return replace(plan, base=Base({**plan.base.items, **first.items}, first.layout, None))


def to_strip(view: View, owned: frozenset[str] | None) -> Plan:
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


def to_restore(view: View, first: Before) -> Plan:
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
    base = Base(items, container.layout(view), inverse(view, undo))
    return Plan(container.kind, was, _recorded(first), ours, Patched(view, undo), base)


def to_reset(view: View, first: Before) -> Plan:
    """Plan giving our keys their old values, whatever else has changed in the file since.

    Raises:
        Refused: the file is of another kind now, or its structure does not allow it.
    """
    container = container_of(view)
    if container.kind != first.kind:
        raise Refused(f"it was {first.kind} when tagged and is {container.kind} now; left alone")
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
) -> Plan:
    """Plan changes to `base`, which is the file or the file as it once was."""
    ours = frozenset(changes)
    was = container.items(view, ours)
    splices = container.plan(base, changes, keep_block=keep_block) if changes else []
    if not splices and base is view:
        return Plan(container.kind, was, was)
    edited = Patched(base, splices)
    old = container.items(base, ours)
    back = Base(
        {key: old.get(key) for key in ours},
        container.layout(base),
        inverse(base, splices),
    )
    wanted = {key: values for key, values in changes.items() if values}
    return Plan(container.kind, was, wanted, ours, edited, back)


def _only(items: Items, wanted: Collection[str]) -> Items:
    return {key: values for key, values in items.items() if key in wanted}


def _recorded(first: Before) -> Items:
    return {key: values for key, values in first.items.items() if values is not None}
