"""Plans the edit that gives our keys their wanted values. Every planner may raise TagsRefused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daemon.tagging.basics import keys
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.basics.tag_jobs import TagsBefore
from daemon.tagging.formats.detect import container_of

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import Assembled, View
    from daemon.tagging.basics.keys import Changes, Items
    from daemon.tagging.formats.format import Container


@dataclass(frozen=True)
class EditPlan:
    """An edit, and what must be true of its result.

    Attributes:
        was: the present values of our keys.
        wanted: their values after the edit.
        ours: the keys concerned; all others must stay.
        content: the file after the edit; None if there is nothing to do.
        before: for the undo record.
    """

    was: Items
    wanted: Items
    ours: frozenset[str]
    content: Assembled | None
    before: TagsBefore


def to_write(view: View, items: Items, first: TagsBefore | None, base: View | None) -> EditPlan:
    """Plan a write.

    Args:
        view: the file.
        items: wanted; a mood in the file that is not ours stays instead of the wanted one.
        first: what there was before our first write, if there was one.
        base: the file as it was before that; None if its bytes are lost, or it is `view`.
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
    plan = _plan(view, base or view, container, changes, keep_block=True)
    if first is None or base is not None:
        return plan
    # Another program has written since: the old bytes are lost, but not the old values.
    items_before = {**plan.before.items, **first.items}
    return replace(plan, before=TagsBefore(container.kind, items_before, first.block))


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


def to_restore(view: View, first: TagsBefore, base: Assembled) -> EditPlan:
    """Plan restoring the old bytes."""
    container = container_of(view)
    ours = frozenset(first.items)
    wanted = {key: values for key, values in first.items.items() if values is not None}
    return EditPlan(container.items(view, ours), wanted, ours, base, _before(view, container, ours))


def to_reset(view: View, first: TagsBefore) -> EditPlan:
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
    before = _before(base, container, ours)
    content = None if was == wanted else container.edit(base, changes, keep_block=keep_block)
    return EditPlan(was, wanted, ours, content, before)


def _before(base: View, container: Container, ours: frozenset[str]) -> TagsBefore:
    old = container.items(base, ours)
    return TagsBefore(
        container.kind, {key: old.get(key) for key in ours}, container.has_block(base)
    )
