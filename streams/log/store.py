"""The local copy of a partition's table, on disk, so that a restart need not read the changelog."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from rocksdict import AccessType, Options, Rdict, WriteBatch

from streams.log.connection import log

_POSITION = b":changelog"


class StoreInUse(Exception):
    """Another process has the data folder open."""


class Store:
    """Keys to values, with the changelog offset up to which they hold.

    It never runs ahead of the changelog: it is written after the commit, with the offset in the
    same batch. `position` is 0 for a new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db = self._open()
        self.position = int(self._db.get(_POSITION) or 0)

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
                raise StoreInUse(
                    f"{self._folder} is in use by another worker. Give each worker its own --data folder."
                ) from None
            log.warning("the local store %s cannot be read (%s): rebuilding it", self._folder, error)
            shutil.rmtree(self._folder)
            return Rdict(str(self._folder), options, access_type=AccessType.read_write())

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return ((key, value) for key, value in self._db.items() if key != _POSITION)

    def write(self, values: Mapping[bytes, bytes | None], position: int) -> None:
        """Put `values` (None deletes) and the changelog offset that they bring the store to."""
        batch = WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_POSITION, str(position).encode())
        self._db.write(batch)
        self.position = position

    def clear(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self._folder)
        self._db = self._open()
        self.position = 0

    def close(self) -> None:
        self._db.close()
