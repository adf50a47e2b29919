"""Delivery on a real broker, without Faust: owners of partitions, their tables, stores and producers."""

import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.agents import records
from streams.agents.intake import IntakePartition
from streams.agents.records import RecordsPartition
from streams.core import escalation
from streams.core.document import Node
from streams.core.engine import step
from streams.core.entries import Change, Entry, Mark, NewRules, Tick, decode, encode
from streams.feeds import Message
from streams.feeds.csv import CsvFeed, read_feed
from streams.log.connection import Connection
from streams.log.producer import Fenced, PlainProducer, TransactionalProducer, WriteRefused
from streams.log.reader import read_to_end, rounds
from streams.log.store import Store, StoreInUse
from streams.log.table import Table
from streams.log.topics import Topics, ensure
from tests.brokers import Broker
from tests.core.worlds import World, moment, rules
from tests.live import create_topic, wait_until

pytestmark = pytest.mark.broker

T = TypeVar("T")

RULES = rules("paths: {p: {about: ticket, when: {untouched: 1h}, steps: [{notify: owner}]}}")
OTHER_RULES = rules("paths: {p: {about: ticket, when: {untouched: 2h}, steps: [{notify: owner}]}}")
NINE, TEN, NOON = "03-02T09:00", "03-02T10:00", "03-02T12:00"


def when(at: str) -> datetime:
    return datetime.fromisoformat(moment(at))


def tick(at: str, partition: int = 0, of: int = 1) -> Tick:
    return Tick((Mark("crm", partition, of, when(at)),))


def new_rules(compiled: Any = RULES, since: str = "01-01T00:00") -> NewRules:
    return NewRules(when(since), compiled.document)


class Place:
    """The topics of one test, and one partition of its log."""

    def __init__(self, connection: Connection, prefix: str, folder: Path) -> None:
        self.connection = connection
        self.topics = Topics(prefix, prefix.rstrip("."), partitions=2)
        self._folder = folder
        self._world = World(RULES)
        self._end = 0
        self._open: list[Any] = []

    def create_topics(self) -> None:
        ensure(self.connection.admin(), self.topics, [], replication=1)

    def change(self, at: str = NINE, record: str = "ticket:1", **fields: Any) -> Change:
        return self._world.make(at, record, owner="anna", **fields)

    def batch(self, *entries: Entry | bytes | None) -> list[Message]:
        """The next entries of the log, as they are read."""
        batch = []
        for entry in entries:
            value = entry if isinstance(entry, bytes | None) else encode(entry)
            name = self.topics.changes.name
            batch.append(Message(name, 0, self._end, b"key", value, 0, (("header", b"h"),)))
            self._end += 1
        return batch

    def folder(self, data: str = "data") -> Path:
        return self._folder / data

    def owner(self, data: str = "data") -> RecordsPartition:
        owner = self.closing(
            RecordsPartition(self.connection, self.topics, partition=0, data=self.folder(data))
        )
        owner.open()
        return owner

    def intake(self, feed: CsvFeed) -> IntakePartition:
        intake = self.closing(IntakePartition(self.connection, self.topics, feed, partition=0, of=1))
        intake.open()
        return intake

    def producer(self, transactional_id: str = "one") -> TransactionalProducer:
        producer = TransactionalProducer(self.connection, self.topics.prefix + transactional_id)
        producer.fence()
        return self.closing(producer)

    def write(self, producer: TransactionalProducer, values: Iterable[bytes]) -> None:
        """One transaction, each message on its way before the next is made."""
        with producer.transaction():
            for value in values:
                producer.produce(self.topics.escalations.name, value=value, partition=0)
                producer._producer.flush(10)

    def table(self, data: str = "data") -> Table:
        name = self.topics.changelog.name
        return self.closing(Table(self.connection, name, partition=0, folder=self.folder(data)))

    def closing(self, thing: T) -> T:
        self._open.append(thing)
        return thing

    def close(self) -> None:
        """As at the end of a worker."""
        for thing in self._open:
            thing.close()
        self._open.clear()

    def _read(self, topic: str) -> list[Message]:
        """What is committed. A transaction's end shows in its topics a moment after the commit."""
        wait_until(lambda: self._end_of(topic) == self._end_of(topic, committed=True), 10, "no transaction")
        return list(read_to_end(self.connection, topic))

    def _end_of(self, topic: str, committed: bool = False) -> list[int]:
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        # The client must outlive its futures.
        admin = self.connection.admin()
        partitions = admin.list_topics(topic).topics[topic].partitions
        asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in partitions}
        answers = admin.list_offsets(asked, isolation_level=level)
        return [answers[partition].result(10).offset for partition in asked]

    def escalations(self) -> list[Message]:
        return self._read(self.topics.escalations.name)

    def events(self) -> list[tuple[str, str]]:
        """Record and event of each escalation."""
        decoded = [escalation.decode(message.value or b"") for message in self.escalations()]
        return [(each.record, each.event) for each in decoded]

    def dead_letters(self) -> list[Message]:
        return self._read(self.topics.dead_letters.name)

    def changelog(self) -> list[Message]:
        return self._read(self.topics.changelog.name)

    def changes(self) -> list[Message]:
        return self._read(self.topics.changes.name)


@pytest.fixture
def place(broker: Broker, topic_prefix: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(Connection(broker.address), topic_prefix, tmp_path)
    place.create_topics()
    yield place
    place.close()


def reason(letter: Message) -> str:
    return (dict(letter.headers)["escalations.reason"] or b"").decode()


# Escalations


def test_an_escalation_is_a_cloud_event_under_its_records_key(place: Place) -> None:
    place.owner().process(place.batch(new_rules(), place.change(), tick(NOON)))
    (message,) = place.escalations()
    assert message.key == b"ticket:1"
    said = escalation.decode(message.value or b"")
    assert message.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", said.id.encode()),
        ("ce_source", f"/{place.topics.app}".encode()),
        ("ce_type", b"escalation.opened"),
        ("ce_subject", b"ticket:1"),
        ("ce_time", b"2026-03-02T10:00:00Z"),
        ("content-type", b"application/json"),
    )


def test_time_passes_when_both_workers_have_read_their_part_of_the_feed(place: Place) -> None:
    owner = place.owner()
    owner.process(place.batch(new_rules(), place.change(), tick(NOON, partition=0, of=2)))
    owner.process(place.batch(tick(NINE, partition=1, of=2), tick(NOON, partition=0, of=2)))
    assert place.events() == []
    owner.process(place.batch(tick(TEN, partition=1, of=2)))
    assert place.events() == [("ticket:1", "opened")]


# All or nothing


def test_who_opens_a_partition_fences_off_whoever_had_it(place: Place) -> None:
    first = place.owner("first")
    first.process(place.batch(new_rules(), place.change()))
    batch = place.batch(tick(NOON))
    second = place.owner("second")
    written = len(place.changelog())
    with pytest.raises(Fenced):
        first.process(batch)
    assert place.events() == []
    assert len(place.changelog()) == written
    second.process(batch)
    assert place.events() == [("ticket:1", "opened")]


def test_a_partition_is_recovered_once_nobody_else_can_write_to_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.owner("first")
    batch = place.batch(new_rules(), place.change())
    recover, fenced = Table.recover, []

    def recover_while_the_other_is_at_it(table: Table) -> dict[bytes, bytes]:
        with pytest.raises(Fenced):
            first.process(batch)
        fenced.append(True)
        return recover(table)

    monkeypatch.setattr(Table, "recover", recover_while_the_other_is_at_it)
    place.owner("second")
    assert fenced


def test_what_a_predecessor_left_open_is_undone(place: Place) -> None:
    first = place.producer()
    first._producer.begin_transaction()
    first.produce(place.topics.escalations.name, value=b"left open")
    first._producer.flush(10)
    place.write(place.producer(), [b"whole"])
    assert [message.value for message in place.escalations()] == [b"whole"]


def test_a_fence_in_the_middle_of_a_transaction_is_known_as_one(place: Place) -> None:
    first = place.producer()

    def write_until_refused() -> None:
        with first.transaction():
            place.producer()
            while True:
                first.produce(place.topics.escalations.name, value=b"from the dead")
                time.sleep(0.01)

    with pytest.raises(Fenced):
        write_until_refused()
    with pytest.raises(Fenced), first.transaction():
        pass
    assert place.escalations() == []


def test_a_batch_is_written_whole_or_not_at_all(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    if broker.kind == "embedded":
        pytest.skip("the embedded broker takes messages of any size")
    place = Place(Connection(broker.address), topic_prefix, tmp_path)
    create_topic(
        place.connection,
        place.topics.changelog.name,
        place.topics.partitions,
        **{"cleanup.policy": "compact", "max.message.bytes": "4000"},
    )
    place.create_topics()
    owner = place.owner()
    owner.process(place.batch(new_rules(), place.change()))
    written = len(place.changelog())
    with pytest.raises(WriteRefused, match="too large"):
        # Not to be compressed.
        owner.process(place.batch(tick(NOON), b"no entry", place.change(note=secrets.token_hex(8000))))
    assert place.events() == []
    assert place.dead_letters() == []
    assert len(place.changelog()) == written
    place.close()


def test_what_is_refused_before_it_is_sent_undoes_the_rest_and_holds_up_no_reader(place: Place) -> None:
    with pytest.raises(WriteRefused, match="too large"):
        place.write(place.producer(), [b"fits", bytes(2_000_000)])
    PlainProducer(place.connection).write(
        place.topics.escalations.name, [{"value": b"another's", "partition": 0}]
    )
    assert [message.value for message in place.escalations()] == [b"another's"]


def test_an_error_of_our_own_undoes_the_transaction(place: Place) -> None:
    def failing() -> Iterator[bytes]:
        yield b"undone"
        raise ZeroDivisionError

    producer = place.producer()
    with pytest.raises(ZeroDivisionError):
        place.write(producer, failing())
    place.write(producer, [b"done"])
    assert [message.value for message in place.escalations()] == [b"done"]


# Going on where it was


def test_a_crash_between_the_commit_and_the_local_store_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.batch(new_rules(), place.change())
    second = place.batch(tick(NOON))
    owner = place.owner()
    owner.process(first)
    with monkeypatch.context() as patched:
        patched.setattr(Table, "keep", lambda *_: pytest.fail("a power cut"))
        with pytest.raises(pytest.fail.Exception):
            owner.process(second)
    place.close()
    owner = place.owner()
    assert owner.position == second[-1].offset + 1
    # The feed said nothing more, so the log is read again from where the group was.
    owner.process(first + second)
    assert place.events() == [("ticket:1", "opened")]


def test_the_local_store_is_not_written_before_the_commit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = place.owner()
    owner.process(place.batch(new_rules(), place.change()))
    batch = place.batch(tick(NOON))
    with monkeypatch.context() as patched:
        patched.setattr(TransactionalProducer, "_commit", lambda _: pytest.fail("a power cut"))
        with pytest.raises(pytest.fail.Exception):
            owner.process(batch)
    place.close()
    place.owner().process(batch)
    assert place.events() == [("ticket:1", "opened")]


def test_a_batch_that_comes_again_changes_nothing(place: Place) -> None:
    batch = place.batch(new_rules(), place.change(), b"no entry", tick(NOON))
    owner = place.owner()
    owner.process(batch)
    written = len(place.changelog())
    owner.process(batch)
    place.close()
    owner = place.owner()
    owner.process(batch[:2])
    assert owner.position == len(batch)
    owner.process(batch[2:])
    assert place.events() == [("ticket:1", "opened")]
    assert len(place.dead_letters()) == 1
    assert len(place.changelog()) == written


def test_of_a_batch_that_reaches_back_only_what_is_new_is_applied(place: Place) -> None:
    owner = place.owner()
    known = place.batch(new_rules(), place.change(), b"no entry", tick(NOON), new_rules(OTHER_RULES, NOON))
    owner.process(known)
    owner.process(known + place.batch(place.change("03-02T13:00", "ticket:2"), tick("03-02T14:00")))
    # Under the rules from before, which the repeat brings, this would be due by now.
    assert place.events() == [("ticket:1", "opened")]
    assert len(place.dead_letters()) == 1


def test_entries_that_change_nothing_advance_the_position_from_time_to_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "QUIET_ENTRIES", 10)
    start = place.batch(new_rules(), place.change())
    owner = place.owner()
    owner.process(start)
    for _ in range(9):
        owner.process(place.batch(tick(NINE)))
    place.close()
    owner = place.owner()
    assert owner.position == len(start), "too few to be worth a transaction"
    owner.process([*place.batch(*[tick(NINE)] * 10)])
    place.close()
    assert place.owner().position == len(start) + 19


def test_new_rules_that_wait_for_their_moment_survive_a_restart(place: Place) -> None:
    place.owner().process(
        place.batch(new_rules(), new_rules(OTHER_RULES, TEN), place.change("03-02T09:30"), tick(NINE))
    )
    place.close()
    place.owner().process(place.batch(tick("03-02T11:15")))
    assert place.events() == []
    place.close()
    place.owner().process(place.batch(tick(NOON)))
    (said,) = [escalation.decode(message.value or b"") for message in place.escalations()]
    assert (said.at, said.version) == ("2026-03-02T11:30:00Z", OTHER_RULES.version)


# The local store

VALUES = {f"ticket:{number:04}".encode(): secrets.token_bytes(100) for number in range(1000)}


def fill(place: Place) -> None:
    """A table with its local store, let go of in order."""
    table, producer = place.table(), place.producer()
    table.recover()
    for values in (VALUES | {b"ticket:0001": b"old"}, {b"ticket:0001": VALUES[b"ticket:0001"]}):
        with producer.transaction():
            written = table.produce(producer, values)
        table.keep(written)
    place.close()


def store_folder(place: Place, data: str = "data") -> Path:
    (folder,) = place.folder(data).iterdir()
    return folder


def data_file(folder: Path) -> Path:
    (path,) = folder.glob("*.sst")
    return path


def overwrite(path: Path, start: int) -> None:
    content = bytearray(path.read_bytes())
    content[start : start + 200] = b"x" * 200
    path.write_bytes(content)


def ahead(folder: Path) -> None:
    store = Store(folder)
    store.read()
    store.write({b"ticket:0001": b"from a future that never came"}, position=10**6)
    store.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the list of files": lambda folder: (folder / "CURRENT").write_bytes(b"garbage"),
    "a missing file": lambda folder: data_file(folder).unlink(),
    "the beginning of a file": lambda folder: overwrite(data_file(folder), 0),
    "the middle of a file": lambda folder: overwrite(data_file(folder), 50_000),
    "the end of a file": lambda folder: overwrite(data_file(folder), data_file(folder).stat().st_size - 200),
    "ahead": ahead,
}


def test_a_local_store_that_is_of_no_use_is_rebuilt_with_one_warning(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    fill(place)
    for name, damage in DAMAGES.items():
        shutil.copytree(place.folder(), place.folder(name))
        damage(store_folder(place, name))
        caplog.clear()
        assert place.table(name).recover() == VALUES, name
        place.close()
        (warning,) = [record.getMessage() for record in caplog.records if record.name == "escalations"]
        assert "rebuilding it" in warning, name
        assert "\n" not in warning, name
        caplog.clear()
        assert place.table(name).recover() == VALUES, name
        place.close()
        assert caplog.records == [], name


def test_a_local_store_is_taken_as_it_is_and_one_that_is_lost_or_behind_is_brought_forward(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    fill(place)
    shutil.copytree(place.folder(), place.folder("behind"))
    news = {b"ticket:0002": b"new", b"ticket:more": b"more"}
    table, producer = place.table(), place.producer()
    assert table.recover() == VALUES
    with producer.transaction():
        written = table.produce(producer, news)
    table.keep(written)
    place.close()
    for data in ("data", "behind", "lost"):
        assert place.table(data).recover() == VALUES | news
    assert caplog.records == []


def test_a_recovery_reads_only_what_the_local_store_does_not_have(place: Place) -> None:
    fill(place)
    store = Store(store_folder(place))
    values = store.read()
    store.write({b"ticket:0001": b"only here"}, store.position)
    store.close()
    assert place.table().recover() == values | {b"ticket:0001": b"only here"}


def test_a_recovery_that_dies_goes_on_where_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place)
    sizes: list[int] = []

    def small(consumer: Any) -> Iterator[list[Any]]:
        for messages in rounds(consumer):
            for start in range(0, len(messages), 50):
                sizes.append(len(messages[start : start + 50]))
                if sum(sizes) == 500:
                    raise ZeroDivisionError
                yield messages[start : start + 50]

    monkeypatch.setattr("streams.log.table.rounds", small)
    monkeypatch.setattr("streams.log.table._AT_ONCE", 100)
    with pytest.raises(ZeroDivisionError):
        place.table("lost").recover()
    place.close()
    sizes.append(1)
    assert place.table("lost").recover() == VALUES
    place.close()
    assert place.table("lost").recover() == VALUES
    # What the store had by then, 400 of them, was not read again.
    assert sum(sizes) - 501 < len(VALUES) - 350


def test_values_that_were_not_committed_are_not_recovered(place: Place) -> None:
    producer, name = place.producer(), place.topics.changelog.name
    for key, commit in ((b"ticket:1", True), (b"ticket:2", False), (b"ticket:3", True)):
        with suppress(ZeroDivisionError), producer.transaction():
            producer.produce(name, key=key, value=b"state", partition=0)
            producer._producer.flush(10)
            if not commit:
                raise ZeroDivisionError
    assert place.table().recover() == {b"ticket:1": b"state", b"ticket:3": b"state"}


def test_a_local_store_of_another_changelog_of_the_same_name_is_rebuilt(
    place: Place, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    if broker.kind == "embedded":
        pytest.skip("the embedded broker gives topics no identity")
    fill(place)
    admin, name = place.connection.admin(), place.topics.changelog.name
    admin.delete_topics([name])[name].result(15)
    create_topic(place.connection, name, place.topics.partitions, **{"cleanup.policy": "compact"})
    # As long as the old one, so that the offsets alone say nothing.
    others = [{"key": b"ticket:other", "value": b"x", "partition": 0} for _ in range(2 * len(VALUES))]
    PlainProducer(place.connection).write(name, others)
    caplog.clear()
    assert place.table().recover() == {b"ticket:other": b"x"}
    assert [record.name for record in caplog.records] == ["escalations"]


def test_a_store_has_one_user(place: Place) -> None:
    place.owner()
    with pytest.raises(StoreInUse, match="its own --data folder"):
        place.table()


# Dead letters


def test_an_entry_that_is_none_goes_to_the_dead_letters_and_the_rest_goes_on(place: Place) -> None:
    broken = [b"\xff\xfe", b"[]", b"{}", b'{"entry": "new"}', b"", None]
    batch = place.batch(new_rules(), place.change(), *broken, tick(NOON))
    place.owner().process(batch)
    assert place.events() == [("ticket:1", "opened")]
    letters = sorted(place.dead_letters(), key=lambda letter: letter.headers[-1])
    assert [(letter.key, letter.value) for letter in letters] == [(b"key", value) for value in broken]
    for offset, letter in enumerate(letters, start=2):
        headers = dict(letter.headers)
        assert headers.pop("escalations.reason", b"")
        assert headers == {
            "header": b"h",
            "escalations.topic": place.topics.changes.name.encode(),
            "escalations.partition": b"0",
            "escalations.offset": str(offset).encode(),
        }


def test_a_change_that_cannot_be_applied_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(compiled: Any, record: Any, at: Any, change: Change | None, *others: Any) -> Any:
        if change is not None and change.fields.get("note") == "boom":
            raise ZeroDivisionError("on purpose")
        return step(compiled, record, at, change, *others)

    monkeypatch.setattr("streams.core.partition.step", fragile)
    place.owner().process(
        place.batch(
            new_rules(),
            place.change(),
            place.change(record="ticket:2"),
            place.change("03-02T09:30", note="boom"),
            tick(TEN),
        )
    )
    assert place.events() == [("ticket:1", "opened"), ("ticket:2", "opened")]
    (letter,) = place.dead_letters()
    assert "on purpose" in reason(letter)
    change = decode(letter.value or b"")
    assert isinstance(change, Change)
    assert change.fields["note"] == "boom"


# Intake


@pytest.fixture
def feed(place: Place) -> CsvFeed:
    options = {
        "format": "csv",
        "at": "changed",
        "time": {"format": "iso"},
        "record": {"kind": "ticket", "id": "id", "owner": "who"},
    }
    return read_feed(place.topics.prefix + "crm", Node(options))


def row(feed: CsvFeed, offset: int, ticket: str, at: str) -> Message:
    value = orjson.dumps({"id": ticket, "changed": moment(at), "who": "anna"})
    return Message(feed.topic, 0, offset, b"any", value, 0, (("origin", b"crm"), ("empty", None)))


def test_intake_writes_changes_by_record_and_how_far_it_read_to_every_partition(
    place: Place, feed: CsvFeed
) -> None:
    rows = [row(feed, 0, "1", NOON), row(feed, 1, "2", NINE), row(feed, 2, "1", TEN)]
    place.intake(feed).process(rows)
    written = [(message, decode(message.value or b"")) for message in place.changes()]
    changes = [(message, entry) for message, entry in written if isinstance(entry, Change)]
    assert {(message.key, entry.record) for message, entry in changes} == {
        (b"ticket:1", "ticket:1"),
        (b"ticket:2", "ticket:2"),
    }
    of_first = [message for message, entry in changes if entry.record == "ticket:1"]
    assert len({message.partition for message in of_first}) == 1
    assert [entry.source.offset for _, entry in changes if entry.record == "ticket:1"] == [0, 2]
    marks = {message.partition: entry for message, entry in written if isinstance(entry, Tick)}
    assert marks == {partition: Tick((Mark(feed.name, 0, 1, when(NOON)),)) for partition in (0, 1)}
    last = {message.partition: entry for message, entry in written}
    assert last == marks, "nothing of the batch comes after its mark"


def test_what_intake_cannot_read_goes_to_the_dead_letters_and_the_rest_goes_on(
    place: Place, feed: CsvFeed
) -> None:
    broken = Message(feed.topic, 0, 6, b"k", b"\xff{", 0, (("origin", b"crm"), ("empty", None)))
    place.intake(feed).process([row(feed, 5, "1", NINE), broken, row(feed, 7, "2", TEN)])
    entries = [decode(message.value or b"") for message in place.changes()]
    changes = [entry for entry in entries if isinstance(entry, Change)]
    assert sorted(entry.source.offset for entry in changes) == [5, 7]
    (letter,) = place.dead_letters()
    assert (letter.key, letter.value) == (b"k", b"\xff{")
    assert letter.headers[:2] == broken.headers
    headers = dict(letter.headers)
    assert reason(letter)
    assert headers["escalations.topic"] == feed.topic.encode()
    assert (headers["escalations.partition"], headers["escalations.offset"]) == (b"0", b"6")


def test_what_is_dated_in_the_future_is_taken_as_of_now(
    place: Place, feed: CsvFeed, caplog: pytest.LogCaptureFixture
) -> None:
    begun = datetime.now(UTC)
    value = b'{"id": "%d", "changed": "2190-03-02T12:00:00Z"}'
    rows = [Message(feed.topic, 0, number, b"any", value % number) for number in range(20)]
    place.intake(feed).process(rows)
    written = [decode(message.value or b"") for message in place.changes()]
    moments = {each.at for each in written if isinstance(each, Change)}
    marked = {mark.at for each in written if isinstance(each, Tick) for mark in each.marks}
    assert moments == marked
    assert all(begun <= each <= datetime.now(UTC) for each in moments)
    assert [each.message for each in caplog.records] == [
        f"{feed.name}: 1 dated in the future in partition 0 so far, taken as of now; "
        "the latest: ticket:0, 2190-03-02T12:00:00+00:00",
        f"{feed.name}: 10 dated in the future in partition 0 so far, taken as of now; "
        "the latest: ticket:9, 2190-03-02T12:00:00+00:00",
    ]


def test_who_opens_a_feed_partition_fences_off_whoever_had_it(place: Place, feed: CsvFeed) -> None:
    first = place.intake(feed)
    place.intake(feed)
    with pytest.raises(Fenced):
        first.process([row(feed, 0, "1", NINE), Message(feed.topic, 0, 1, None, b"broken")])
    assert place.changes() == []
    assert place.dead_letters() == []


def test_intake_that_starts_over_leads_to_no_second_escalation(place: Place, feed: CsvFeed) -> None:
    rows = [row(feed, offset, str(offset), NINE) for offset in range(3)]
    place.intake(feed).process(rows)
    place.intake(feed).process(rows)
    repeated = [message.value for message in place.changes()]
    assert len(repeated) == 2 * (3 + place.topics.partitions)
    place.owner().process(place.batch(new_rules(), *repeated, tick(NOON)))
    assert sorted(place.events()) == [(f"ticket:{number}", "opened") for number in range(3)]
