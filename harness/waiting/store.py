"""What is known of one kind, kept from going back in time.

Streams are cut, resumed, listed again; on the way events come twice or late. Three facts make that harmless: an object
with a given uid only moves to higher resourceVersions, one that has gone at a revision comes back at a higher one or
never (where labels select, DELETED also means "does not match any more"), and a LIST at revision R says nothing of what
changed after R.
"""

from collections.abc import Iterable

from harness.objects import Key, Object, key_of


def revision_of(text: str) -> int:
    """A resourceVersion as a number; 0 where it is none, which compares as "unknown"."""
    return int(text) if text.isdecimal() else 0


class Mirror:
    """The objects of one kind by key. `listed` and `changed` say whether anything became different."""

    def __init__(self) -> None:
        self.items: dict[Key, Object] = {}
        self._gone: dict[str, int] = {}  # uids, and the revision at which each was gone

    def listed(self, items: Iterable[Object], resource_version: str) -> bool:
        """Take over a LIST: what it does not hold is gone, unless it is known from a later revision."""
        now = {key_of(item): item for item in items}
        revision = revision_of(resource_version)
        different = False
        for key, known in list(self.items.items()):
            if key not in now and (not revision or _revision(known) <= revision):
                self._forget(key, revision)
                different = True
        for key, item in now.items():
            different |= self._take(key, item)
        return different

    def changed(self, event: str, item: Object) -> bool:
        """Take over one event: ADDED, MODIFIED or DELETED."""
        key = key_of(item)
        if event != "DELETED":
            return self._take(key, item)
        known = self.items.get(key)
        if _uid(item):
            self._gone[_uid(item)] = _revision(item)
        if known is None or _uid(known) != _uid(item):
            return False
        del self.items[key]
        return True

    def _take(self, key: Key, item: Object) -> bool:
        known = self.items.get(key)
        gone = self._gone.get(_uid(item))
        if gone is not None and _revision(item) <= gone:
            return False
        if known is not None:
            if _revision(item) and _revision(item) <= _revision(known):
                return False
            if _uid(item) != _uid(known):
                self._forget(key, _revision(item))
        self.items[key] = item
        return True

    def _forget(self, key: Key, revision: int) -> None:
        known = self.items.pop(key)
        if _uid(known):
            self._gone[_uid(known)] = max(revision, _revision(known))


def _uid(item: Object) -> str:
    return str(item["metadata"].get("uid", ""))


def _revision(item: Object) -> int:
    return revision_of(str(item["metadata"].get("resourceVersion", "")))
