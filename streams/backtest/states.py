"""The states of a long history's records: those that are over wait on disk.

Nothing more happens to a closed record of which no path awaits anything, until it changes again. Of a
long history most are such; so memory holds what is open, and as much again.
"""

import sqlite3

from streams.core.record import decode

LEAST = 50_000
"""So many states, some 50 MB, stay in memory in any case: a smaller history never touches the disk."""


class States(dict[str, bytes]):
    """Encoded records by key. One on disk comes back by `states[key]`; `in` and `get` do not see it."""

    def __init__(self, least: int = LEAST) -> None:
        super().__init__()
        self._least = self._room = least
        self._disk: sqlite3.Connection | None = None
        self._over = 0

    @property
    def count(self) -> int:
        """How many there are, in memory and on disk."""
        return len(self) + self._over

    def __missing__(self, key: str) -> bytes:
        found = None
        if self._disk is not None:
            query = "DELETE FROM states WHERE key = ? RETURNING state"
            found = self._disk.execute(query, (key,)).fetchone()
        if found is None:
            raise KeyError(key)
        self._over -= 1
        state: bytes = found[0]
        self[key] = state
        return state

    def recall(self, key: str) -> None:
        """See to it that a record is in memory if there is one."""
        if self._over and key not in self:
            try:
                self[key]
            except KeyError:
                return

    def tidy(self) -> None:
        """Where there are too many in memory, put those on disk of which nothing is awaited."""
        if len(self) <= self._room:
            return
        if self._disk is None:
            # A database without a name is a temporary one: it is gone with the connection.
            self._disk = sqlite3.connect("", isolation_level=None)
            self._disk.execute("PRAGMA journal_mode = OFF")
            self._disk.execute("CREATE TABLE states (key TEXT PRIMARY KEY, state BLOB) WITHOUT ROWID")
        over = [(key, state) for key, state in self.items() if _is_over(state)]
        self._disk.execute("BEGIN")
        self._disk.executemany("INSERT INTO states VALUES (?, ?)", over)
        self._disk.execute("COMMIT")
        for key, _ in over:
            del self[key]
        self._over += len(over)
        # Looking through them costs, so it must not be done again for a few.
        self._room = max(self._least, 2 * len(self))


def _is_over(state: bytes) -> bool:
    record = decode(state)
    return record.due is None and not record.alive
