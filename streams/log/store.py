"""The local copy of a partition's table, on disk, so that a restart need not read the changelog."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from rocksdict import AccessType, Options, Rdict, WriteBatch, WriteOptions

from streams.log.connection import log

_POSITION = b":changelog"
_BELONGS_TO = b":belongs-to"


class StoreInUse(Exception):
    """Another process has the data folder open."""


def claim(folder: Path) -> FileLock:
    """Make `folder` this process's own, for as long as the lock that is returned is kept.

    Raises StoreInUse when another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise _in_use(folder) from None
    return lock


def _in_use(folder: Path) -> StoreInUse:
    return StoreInUse(f"{folder} is in use by another worker. Give each worker its own --data folder.")


class Store:
    """Keys to values, with the changelog offset up to which they hold.

    It never runs ahead of the changelog: it is written after the commit, with the offset in the
    same batch. It has no log of its own: what a crash takes from it is in the changelog.
    `belongs_to` says which changelog that is: a topic that was made anew has the same name. Both say
    nothing before `read`; `position` is 0 then, and for a new store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db = self._open()
        self._options = WriteOptions()
        self._options.disable_wal = True
        self.position = 0
        self.belongs_to = ""

    def _open(self) -> Rdict:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        # RocksDB's own defaults are for one database a machine; this is one of many partitions.
        options.set_write_buffer_size(8 << 20)
        options.set_max_open_files(128)
        try:
            return Rdict(str(self._folder), options, access_type=AccessType.read_write())
        except Exception as error:
            if "lock" in str(error).lower():
                raise _in_use(self._folder) from None
            self._warn(error)
            shutil.rmtree(self._folder)
            return Rdict(str(self._folder), options, access_type=AccessType.read_write())

    def read(self) -> dict[bytes, bytes]:
        """Everything in it. Where some of it is damaged, all of it is forgotten."""
        damage = None
        try:
            values = self._values()
            self.position = int(values.pop(_POSITION, b"0"))
            self.belongs_to = values.pop(_BELONGS_TO, b"").decode()
        except Exception as error:
            damage = str(error)
        # Not sooner: the error holds on to the iterator, and that to the files.
        if damage is None:
            return values
        self._warn(damage)
        self.clear()
        return {}

    def _values(self) -> dict[bytes, bytes]:
        values: dict[bytes, bytes] = {}
        entries = self._db.iter()
        entries.seek_to_first()
        while entries.valid():
            values[entries.key()] = entries.value()
            entries.next()
        # Raises what the iterator took for the end: a damaged block.
        entries.status()
        return values

    def _warn(self, damage: object) -> None:
        line = " ".join(str(damage).split())
        log.warning("the local store %s cannot be read (%s): rebuilding it", self._folder, line)

    def write(self, values: Mapping[bytes, bytes | None], position: int) -> None:
        """Put `values` (None deletes) and the changelog offset that they bring the store to."""
        batch = WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_POSITION, str(position).encode())
        batch.put(_BELONGS_TO, self.belongs_to.encode())
        self._db.write(batch, self._options)
        self.position = position

    def clear(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self._folder)
        self._db = self._open()
        self.position = 0

    def close(self) -> None:
        # Nothing else would bring to disk what has no log.
        self._db.flush()
        self._db.close()
