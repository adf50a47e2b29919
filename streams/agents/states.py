"""The workers' states, read from their changelog by whoever wants to look."""

from collections.abc import Iterator

from streams.agents.records import RULES, rules_in, time_in
from streams.core import record
from streams.core.baselines import Similar
from streams.core.record import Record
from streams.core.rules import Rules
from streams.core.tables import Tables
from streams.log.connection import Connection
from streams.log.reader import read_to_end
from streams.log.topics import Topics


def latest(connection: Connection, topics: Topics) -> dict[tuple[int, bytes], bytes]:
    """What the changelog holds, by partition and key. Raises BrokerUnavailable, NoSuchTopic."""
    values: dict[tuple[int, bytes], bytes] = {}
    for message in read_to_end(connection, topics.changelog.name):
        here = message.partition, message.key or b""
        if message.value is None:
            values.pop(here, None)
        else:
            values[here] = message.value
    return values


def states(connection: Connection, topics: Topics) -> Iterator[Record]:
    """Every record's state. Raises as `latest`."""
    for (_, key), value in latest(connection, topics).items():
        if not key.startswith(b":"):
            yield record.decode(value)


def state_of(connection: Connection, topics: Topics, key: str) -> tuple[Rules, Record] | None:
    """One record's state and the rules that judged it; None for one that no worker knows.

    Raises as `latest`.
    """
    values = latest(connection, topics)
    for (partition, each), value in values.items():
        if each == key.encode():
            state = record.decode(value)
            here = {name: part for (number, name), part in values.items() if number == partition}
            known = Similar(partition, topics.partitions, here).baselines(time_in(here) or state.at)
            rules = [rules for _, rules in rules_in(here[RULES])]
            judged = next(each for each in rules if each.version == state.rules)
            return judged.knowing(known).among(Tables(here)), state
    return None
