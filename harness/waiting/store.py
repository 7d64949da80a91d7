"""What is known of one kind, kept from going back in time.

Streams are cut, resumed, listed again; on the way events come twice or late. Three facts make that harmless: an object
with a given uid only moves to higher resourceVersions, a uid that was deleted never comes back, and a LIST at revision
R says nothing of what changed after R. Nothing here selects by label or field: a DELETED event would then also mean
"does not match any more", and the second fact would not hold.
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
        self._gone: set[str] = set()  # uids; they are never used again

    def listed(self, items: Iterable[Object], resource_version: str) -> bool:
        """Take over a LIST: what it does not hold is gone, unless it is known from a later revision."""
        now = {key_of(item): item for item in items}
        revision = revision_of(resource_version)
        different = False
        for key, known in list(self.items.items()):
            if key not in now and (not revision or _revision(known) <= revision):
                self._forget(key)
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
            self._gone.add(_uid(item))
        if known is None or _uid(known) != _uid(item):
            return False
        del self.items[key]
        return True

    def _take(self, key: Key, item: Object) -> bool:
        known = self.items.get(key)
        if _uid(item) in self._gone:
            return False
        if known is not None:
            if _revision(item) and _revision(item) <= _revision(known):
                return False
            if _uid(item) != _uid(known):
                self._forget(key)
        self.items[key] = item
        return True

    def _forget(self, key: Key) -> None:
        uid = _uid(self.items.pop(key))
        if uid:
            self._gone.add(uid)


def _uid(item: Object) -> str:
    return str(item["metadata"].get("uid", ""))


def _revision(item: Object) -> int:
    return revision_of(str(item["metadata"].get("resourceVersion", "")))
