"""A history on several processes: read by all of them, then replayed with the records shared out by key.

Records have nothing to do with each other, unless rules compare some with similar ones (`Rules.bases`):
those take one process. Each process decodes a share of the messages and puts what they say on disk, in
order, apart for each process that will replay it. Then each replays its records, and what they decide is
put together in the very order in which one process would have decided it: what is due goes by its moment
and then by its record, before the changes of that moment, which go as they do in `Changes`.
"""

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TypeVar
from zlib import crc32

import msgspec

from streams.backtest.history import SHOWN, Unread, placed, placed_decoder
from streams.backtest.replay import Replay
from streams.backtest.scores import Part, Period, Scores
from streams.backtest.sorting import MOST, Run, Sorter, Spill, Unordered, merged, read_run
from streams.core.entries import Reference
from streams.core.escalation import Escalation, decode, encode
from streams.core.rules import Rules
from streams.core.timestamps import from_rfc3339, micros
from streams.feeds import Feed, Message, PassedOver, Undecodable
from streams.feeds.files import FileProblem

T = TypeVar("T")

_BATCH = 500
"""Messages that go to a process at once."""

_STRIDE = 1 << 16
"""More changes than one message can hold."""

_REPORT = 2_000
"""Changes after which a process says how far it is, at the latest."""

_AHEAD = 64
"""Reports of one process that wait for those of the others."""


_ENDED = "one of the processes that replay has ended, perhaps for want of memory; try it with --jobs 1"


class JobFailed(Exception):
    """One of the processes has ended, as one does that the system has no memory left for."""


class _Batch(msgspec.Struct, array_like=True):
    feed: str
    rank: int
    number: int
    messages: list[Message]


class _Read(msgspec.Struct, array_like=True):
    """What a process has read. `runs`: on its spill, by the process that is to replay them."""

    runs: list[list[Run]]
    changes: int
    last: int | None
    unread: int
    first: list[tuple[int, str, str]]


_Place = tuple[int, int, str, int, tuple[int | str, ...], int]
"""Where a decision belongs: moment; 0 and its record if it was due, or 1, "" and the place of the change
that it is on."""

_Decided = tuple[int, int, str, int, tuple[int | str, ...], int, int, bytes]
"""A decision in its order: its place, its number, its JSON."""


class _Report(msgspec.Struct, array_like=True):
    """`scored`: with the last one, what the records of this process come to, if that was asked for."""

    changes: int
    records: int
    first: int | None
    last: int | None
    decided: list[_Decided]
    ended: bool = False
    scored: Part | None = None


class _Failed(msgspec.Struct, array_like=True):
    """`unordered`, or else of the operating system."""

    unordered: bool
    text: str


class _Task(msgspec.Struct, array_like=True):
    """What a process is to replay: its runs on each spill. Time runs on to `end`."""

    runs: list[list[Run]]
    until: int | None
    end: int | None


_encoder = msgspec.msgpack.Encoder()


class _Sum:
    """What all processes have replayed, by their latest reports."""

    def __init__(self) -> None:
        self.reports: dict[int, _Report] = {}

    @property
    def changes(self) -> int:
        return sum(each.changes for each in self.reports.values())

    @property
    def records(self) -> int:
        return sum(each.records for each in self.reports.values())

    @property
    def first(self) -> int | None:
        return min((each.first for each in self.reports.values() if each.first is not None), default=None)

    @property
    def last(self) -> int | None:
        return max((each.last for each in self.reports.values() if each.last is not None), default=None)


class Jobs:
    """So many processes for the histories of `feeds` under `rules`, which have no `bases`.

    First read what there is, then `decide` on it, both as `Alone` does. Use it as a context: the processes
    end with it. `scores`: have all when everything has been decided.
    """

    def __init__(self, count: int, feeds: Iterable[Feed], rules: Rules, scores: Scores | None = None) -> None:
        self._scores = scores
        period = None if scores is None else scores.period
        self.unread = Unread()
        self.problem: str | None = None
        self.replayed = _Sum()
        self._spills = [Spill() for _ in range(count)]
        self._number = 0
        self._next = 0
        self._read: list[_Read] = []
        known = {feed.name: feed for feed in feeds}
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work,
                args=(theirs, [*self._pipes, ours], self._spills, number, known, rules, period),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "Jobs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.join()

    def read(self, feed: Feed, messages: Iterable[Message], rank: int = 0) -> None:
        """As `History.read`. Raises JobFailed."""
        problems: list[FileProblem] = []

        def readable() -> Iterator[Message]:
            try:
                yield from messages
            except FileProblem as problem:
                problems.append(problem)

        rest = readable()
        while batch := list(islice(rest, _BATCH)):
            self._send(self._next, _Batch(feed.name, rank, self._number, batch))
            self._number += len(batch)
            self._next = (self._next + 1) % len(self._pipes)
        if problems:
            self.problem = self.problem or str(problems[0])

    @property
    def total(self) -> int:
        """Changes that have been read; more cannot be then. Raises JobFailed, Unordered or OSError."""
        if not self._read:
            self._finish()
        return sum(each.changes for each in self._read)

    def _finish(self) -> None:
        for number in range(len(self._pipes)):
            self._send(number, None)
        self._read = [self._receive(pipe, _Read) for pipe in self._pipes]
        first = sorted(chain.from_iterable(each.first for each in self._read))[:SHOWN]
        self.unread.first.update((place, reason) for _, place, reason in first)
        self.unread.count = sum(each.unread for each in self._read)

    def decide(
        self, until: int | None = None, advance: Callable[[int], None] = lambda more: None
    ) -> Iterator[Escalation]:
        """As `Replay.run` on all that has been read. `advance` is told how many more changes that took."""
        if not self._read:
            self._finish()
        last = max((each.last for each in self._read if each.last is not None), default=None)
        streams = []
        for number in range(len(self._pipes)):
            runs = [each.runs[number] for each in self._read]
            self._send(number, _Task(runs, until, last if until is None else until))
            streams.append(self._reports(number, advance))
        for *_, value in merged(streams):
            yield decode(value)

    def _reports(self, number: int, advance: Callable[[int], None]) -> Iterator[_Decided]:
        # Without a thread for each, those that are ahead would soon wait for the others.
        waiting: queue.Queue[_Report | Exception] = queue.Queue(_AHEAD)

        def receive() -> None:
            ended = False
            while not ended:
                try:
                    report = self._receive(self._pipes[number], _Report)
                except Exception as error:
                    waiting.put(error)
                    return
                ended = report.ended
                waiting.put(report)

        threading.Thread(target=receive, daemon=True).start()
        before = 0
        while True:
            report = waiting.get()
            if isinstance(report, Exception):
                raise report
            self.replayed.reports[number] = report
            advance(report.changes - before)
            before = report.changes
            yield from report.decided
            if report.ended:
                if self._scores is not None and report.scored is not None:
                    self._scores.add(report.scored)
                return

    def _send(self, number: int, what: _Batch | _Task | None) -> None:
        try:
            self._pipes[number].send_bytes(_encoder.encode(what))
        except BrokenPipeError:
            # It may have said why before it ended.
            self._receive(self._pipes[number], _Read)
            raise JobFailed(_ENDED) from None

    def _receive(self, pipe: Connection, kind: type[T]) -> T:
        try:
            failed, content = msgspec.msgpack.decode(
                pipe.recv_bytes(), type=tuple[_Failed | None, msgspec.Raw]
            )
        except EOFError:
            raise JobFailed(_ENDED) from None
        if failed is not None:
            raise (Unordered if failed.unordered else OSError)(failed.text)
        return msgspec.msgpack.decode(content, type=kind)


def _work(
    pipe: Connection,
    others: list[Connection],
    spills: list[Spill],
    number: int,
    feeds: dict[str, Feed],
    rules: Rules,
    period: Period | None,
) -> None:
    """One process: it ends when there is nobody to listen."""
    # They came with the fork, and would keep pipes open whose owner is gone.
    for other in others:
        other.close()
    # Whoever has started this one sees to what is to be done then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(what: _Read | _Report, failed: _Failed | None = None) -> None:
        pipe.send_bytes(_encoder.encode((failed, what)))

    with suppress(EOFError, BrokenPipeError):
        try:
            say(_read_share(pipe, spills[number], len(spills), feeds))
            task = msgspec.msgpack.decode(pipe.recv_bytes(), type=_Task)
            for report in _replay_share(spills, rules, period, task):
                say(report)
        except (Unordered, OSError) as error:
            if not isinstance(error, BrokenPipeError):
                say(_Report(0, 0, None, None, []), _Failed(isinstance(error, Unordered), str(error)))


def _read_share(pipe: Connection, spill: Spill, count: int, feeds: dict[str, Feed]) -> _Read:
    sorters = [Sorter(placed_decoder, MOST // count, spill) for _ in range(count)]
    unread, last = 0, None
    first: list[tuple[int, str, str]] = []
    while (batch := msgspec.msgpack.decode(pipe.recv_bytes(), type=_Batch | None)) is not None:
        read = feeds[batch.feed].decode
        for number, message in enumerate(batch.messages, batch.number):
            try:
                outcome = read(message)
            except Undecodable as error:
                unread += 1
                if len(first) < SHOWN:
                    first.append((number, message.place, str(error)))
                continue
            if isinstance(outcome, PassedOver):
                continue
            for index, fact in enumerate(outcome, number * _STRIDE):
                there = placed(fact, batch.rank, index)
                if isinstance(fact, Reference):
                    # Whoever has the records that refer to it.
                    for sorter in sorters:
                        sorter.add(there)
                    continue
                sorters[crc32(fact.record.encode()) % count].add(there)
                if last is None or fact.at > last:
                    last = fact.at
    for sorter in sorters:
        sorter.settle()
    return _Read(
        [each.runs for each in sorters],
        sum(map(len, sorters)),
        None if last is None else micros(last),
        unread,
        first,
    )


def _replay_share(spills: list[Spill], rules: Rules, period: Period | None, task: _Task) -> Iterator[_Report]:
    replay = Replay(rules)
    scores = None if period is None else Scores(rules, (), period)
    decided: list[_Decided] = []
    numbers = 0

    def see(each: Escalation, place: _Place) -> None:
        nonlocal numbers
        if scores is not None:
            scores.see(each)
        decided.append((*place, numbers, encode(each)))
        numbers += 1

    def due(decisions: list[Escalation]) -> None:
        for each in decisions:
            see(each, (from_rfc3339(each.at), 0, each.record, 0, (), 0))

    def report() -> _Report:
        return _Report(replay.changes, replay.records, replay.first, replay.last, decided)

    for _, rank, order, number, change in merged(
        read_run(spill, run, placed_decoder)
        for spill, runs in zip(spills, task.runs, strict=True)
        for run in runs
    ):
        if isinstance(change, Reference):
            due(replay.refer(change))
            continue
        at = micros(change.at)
        if task.until is not None and at > task.until:
            break
        if scores is not None:
            scores.expect(change)
        due(replay.come_to(at))
        for each in replay.take(change, at):
            see(each, (at, 1, "", rank, order, number))
        if scores is not None:
            scores.settle(change)
        if replay.changes % _REPORT == 0:
            yield report()
            decided = []
    if task.end is not None:
        due(replay.come_to(task.end))
    last = report()
    last.ended = True
    if scores is not None:
        scores.finish()
        last.scored = scores.part()
    yield last
