"""Plans the edit that gives our keys their wanted values. Every planner may raise TagsRefused.

Each edit starts from what the file was before us (`_Past`): the bytes that the undo record leads
to or, where others have changed the file since, its present bytes; with our keys as they were. Of
a file that others have changed, a key is ours if the file's own `VALENCED` item lists it, or if its
value is as we left it. All else is theirs and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.tagging.basics import keys
from daemon.tagging.basics.byte_views import Assembled, Kept
from daemon.tagging.basics.tag_jobs import TagsBefore
from daemon.tagging.formats.detect import container_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from daemon.tagging.basics.byte_views import View
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


class _Past:
    """A file as it was before us.

    Args:
        view: the file.
        first: what the catalogue knows of the tags before us, if anything.
        base: the bytes of then; None if others have changed the file since.

    Attributes:
        container: of the file.
        present: all items of ours in it.
        ours: which keys are ours.
    """

    def __init__(self, view: View, first: TagsBefore | None, base: View | None) -> None:
        self.container: Container = container_of(view)
        self.present = self.container.items(view, keys.ALL_KEYS)
        self.ours = _ours(self.present, first)
        self._view, self._base = view, base or view
        self._there = self.container.items(base, keys.ALL_KEYS) if base else self.present
        self._before = dict.fromkeys(self.ours, None) if base is None else {}
        self._before |= {
            key: values
            for key, values in (first.items if first else {}).items()
            if base is not None or key in self.ours
        }
        is_known = first is not None and first.kind == self.container.kind and self._before
        self.block = first.block if first and is_known else self.container.has_block(view)

    def items(self, concerned: Collection[str] = ()) -> dict[str, list[str] | None]:
        """Return the values of before of some keys, and of all that were ever ours."""
        names = self._before.keys() | concerned
        return {key: self._before.get(key, self._there.get(key)) for key in names}

    def planned(self, wanted: Mapping[str, list[str]], *, keep_block: bool) -> EditPlan:
        """Plan the file of before, with the wanted items in it."""
        past = self.items(wanted)
        items = {key: wanted.get(key) or past[key] or [] for key in past}
        changes = {key: new for key, new in items.items() if new != self._there.get(key, [])}
        content = self._edited(changes, keep_block=keep_block)
        return self._plan(past, items, content)

    def planned_without_ours(self, ours: Collection[str]) -> EditPlan:
        """Plan the present file, without some of the items in it."""
        past = self.items(ours)
        items = {key: [] if key in ours else self.present.get(key, []) for key in past}
        gone: Changes = {key: [] for key in sorted(ours)}
        content = self.container.edit(self._view, gone, keep_block=False) if gone else None
        return self._plan(past, items, content)

    def unchanged(self, wanted: Collection[str] = ()) -> EditPlan:
        """Plan nothing."""
        past = self.items(wanted)
        return self._plan(past, {key: self.present.get(key, []) for key in past}, None)

    def _edited(self, changes: Changes, *, keep_block: bool) -> Assembled:
        if not changes:
            return Assembled(self._base, [Kept(0, self._base.size)])
        return self.container.edit(self._base, changes, keep_block=keep_block)

    def _plan(
        self, past: dict[str, list[str] | None], items: Changes, content: Assembled | None
    ) -> EditPlan:
        is_clean = all(self._there.get(key) == values for key, values in past.items())
        left = {key: values or None for key, values in items.items()}
        return EditPlan(
            {key: values for key, values in self.present.items() if key in past},
            {key: values for key, values in items.items() if values},
            frozenset(past),
            content,
            TagsBefore(self.container.kind, past, self.block, is_clean, left),
        )


def to_write(view: View, items: Items, first: TagsBefore | None, base: View | None) -> EditPlan:
    """Plan a write.

    Args:
        view: the file.
        items: wanted; a mood in the file that is not ours stays instead of the wanted one.
        first: what the catalogue knows of the tags before us, if anything.
        base: the bytes of the file then; None if others have changed it since.
    """
    past = _Past(view, first, base)
    wanted = dict(items)
    if past.items({keys.MOOD})[keys.MOOD]:
        wanted.pop(keys.MOOD, None)
    wanted = keys.with_owned_keys(wanted)
    stale = (past.ours & past.present.keys()) - wanted.keys()
    if not stale and keys.same_but_for_time(past.present, wanted):
        return past.unchanged(wanted)
    return past.planned(wanted, keep_block=True)


def to_strip(
    view: View, owned: frozenset[str] | None, first: TagsBefore | None, base: View | None
) -> EditPlan:
    """Plan removing our keys.

    Args:
        view: the file.
        owned: our keys, if the caller knows better.
        first: as for `to_write`.
        base: as for `to_write`.
    """
    past = _Past(view, first, base)
    ours = past.ours if owned is None else owned & keys.ALL_KEYS
    return past.planned_without_ours(ours & past.present.keys())


def to_restore(view: View, first: TagsBefore, base: View) -> EditPlan:
    """Plan restoring the old bytes."""
    past = _Past(view, first, base)
    is_back = all(past.present.get(key) == values for key, values in first.items.items())
    if is_back and not first.is_clean:
        return past.unchanged()
    return past.planned({}, keep_block=first.block)


def to_reset(view: View, first: TagsBefore) -> EditPlan:
    """Plan giving our keys their old values, whatever else has changed in the file since."""
    past = _Past(view, first, None)
    if all(past.present.get(key) == values for key, values in past.items().items()):
        return past.unchanged()
    return past.planned({}, keep_block=past.block)


def _ours(present: Items, first: TagsBefore | None) -> frozenset[str]:
    """Return the keys whose values are of our making, or are missing by it."""
    owned = set(keys.owned_keys(present))
    if len(present.get(keys.MOOD, ())) > 1:
        owned.discard(keys.MOOD)
    if first is None or first.left is None:
        return frozenset(owned)
    return frozenset(owned) | {
        key
        for key, values in first.left.items()
        if values == present.get(key) and values != first.items.get(key)
    }
