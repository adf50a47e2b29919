"""What a message says of one row, whichever shape it came in."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from streams.core.entries import Operation
from streams.core.timestamps import moment
from streams.feeds import Undecodable
from streams.feeds.debezium.types import Types
from streams.feeds.values import EARLIEST, LATEST, Row, shown

OPERATIONS: dict[str, Operation] = {"r": "refresh", "c": "upsert", "u": "upsert", "d": "delete"}

Order = tuple[int, ...]


class Event(msgspec.Struct):
    """row: of a delete, what is known of its id. heard: whether what the row says is said now; an update
    repeats it. types: how the columns of `row` are to be decoded."""

    op: Operation
    at: datetime
    order: Order | None
    row: Row | None
    heard: bool
    types: Types


class Source(msgspec.Struct):
    """The `source` of an event, as far as it is read: where in the database's log the change stands."""

    connector: Any = None
    snapshot: Any = None
    ts_us: Any = None
    ts_ms: Any = None
    lsn: Any = None
    file: Any = None
    pos: Any = None
    row: Any = None
    commit_lsn: Any = None
    change_lsn: Any = None
    event_serial_no: Any = None


def committed(source: Source, processed: tuple[Any, Any] = (None, None)) -> datetime:
    """When the transaction was committed. `processed`: `ts_us` and `ts_ms` of the event, when the connector
    had it. Raises Undecodable.

    A zero is what MySQL's connector writes where it does not know, as in the snapshots of old versions;
    then it is when the row was read.
    """
    at = _micros(source.ts_us, source.ts_ms)
    if at == 0:
        at = _micros(*processed) or at
    if at is None:
        raise Undecodable("`source` has neither ts_us nor ts_ms: when it was committed is unknown")
    # The same bounds as of `plausible`, without a look at the year of each.
    if not EARLIEST <= at < LATEST:
        raise Undecodable(f"the time of the change, {shown(at)} us, is outside the years of any calendar")
    return moment(at)


def _micros(ts_us: Any, ts_ms: Any) -> int | None:
    if type(ts_us) is int:
        return ts_us
    # Debezium before 2.6 has milliseconds only.
    return ts_ms * 1000 if ts_us is None and type(ts_ms) is int else None


def order_of(source: Source, code: str) -> Order | None:
    """The order token: where the change stands in the log that its connector reads. Raises Undecodable.

    A row of an incremental snapshot was read while the log was, and stands nowhere in it. An unknown
    connector has none, and the order is that of the partition.
    """
    if source.snapshot == "incremental":
        return None
    token = _TOKENS.get(source.connector) if type(source.connector) is str else _postgresql
    return None if token is None else token(source, code)


def _postgresql(source: Source, code: str) -> Order | None:
    # All rows of a snapshot have the place of the snapshot, and what was written there comes after them.
    if source.lsn is None:
        return None
    return _whole(source.lsn, "lsn"), 0 if code == "r" else 1


def _binlog(source: Source, _: str) -> Order | None:
    if not source.file:
        return None
    numbered = _binlog_file(source.file) if type(source.file) is str else None
    if numbered is None:
        raise Undecodable(f"the file {shown(source.file)} is none of a binlog, such as mysql-bin.000003")
    return int(numbered[1]), _whole(source.pos, "pos"), _whole(source.row, "row")


def _sqlserver(source: Source, _: str) -> Order | None:
    # As Debezium compares them: by the commit, in it by the change (which a snapshot's row lacks).
    if source.commit_lsn is None:
        return None
    commit = _lsn(source.commit_lsn, "commit_lsn")
    if source.change_lsn is None:
        return *commit, 0, 0, 0, 0
    number = _whole(source.event_serial_no, "event_serial_no")
    return *commit, *_lsn(source.change_lsn, "change_lsn"), number


_TOKENS: dict[str, Callable[[Source, str], Order | None]] = {
    "postgresql": _postgresql,
    "mysql": _binlog,
    "mariadb": _binlog,
    "sqlserver": _sqlserver,
}

_binlog_file = re.compile(r".*\.([0-9]{1,18})", re.DOTALL).fullmatch
_sqlserver_lsn = re.compile(r"([0-9a-fA-F]{8}):([0-9a-fA-F]{8}):([0-9a-fA-F]{4})").fullmatch


def _lsn(value: Any, name: str) -> Order:
    parts = _sqlserver_lsn(value) if type(value) is str else None
    if parts is None:
        raise Undecodable(f"the {name} {shown(value)} is none such as 00000027:00000758:0003")
    return tuple(int(part, 16) for part in parts.groups())


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Undecodable(f"the {name} {shown(value)} is not a whole number")
    return value
