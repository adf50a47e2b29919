"""A feed whose changes also say something about customers: what `streams.core.customers` derives."""

from collections.abc import Mapping, Sequence

from streams.core.customers import KIND, of
from streams.core.entries import Fact, Reference
from streams.feeds import EVERY, Brings, Feed, Message, PassedOver, Rows


class WithCustomers:
    """`feed`, with each change that it decodes followed by the one of the customer's record, if any."""

    def __init__(self, feed: Feed) -> None:
        self.name = feed.name
        self.topic = feed.topic
        self.kinds = _kinds(feed.kinds)
        self.rows: Rows | None = feed.rows
        self._feed = feed

    def decode(self, message: Message) -> Sequence[Fact] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        decoded = self._feed.decode(message)
        if isinstance(decoded, PassedOver):
            return decoded
        facts: list[Fact] = []
        for fact in decoded:
            facts.append(fact)
            if not isinstance(fact, Reference) and (customer := of(fact)) is not None:
                facts.append(customer)
        return facts


def _kinds(kinds: Mapping[str, Brings]) -> dict[str, Brings]:
    facts: set[str] = set()
    for kind, brings in kinds.items():
        if kind != KIND and "customer" in brings.fields:
            facts |= {"issues"} if "status" in brings.fields else set()
            facts |= {"visits"} if brings.facts >= {"by", "heard"} else set()
    if not facts:
        return dict(kinds)
    own = kinds.get(KIND, Brings(EVERY, EVERY))
    return {**kinds, KIND: Brings(own.fields, own.facts | facts)}
