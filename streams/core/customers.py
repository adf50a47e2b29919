"""Customers: what a change of one of their records says about them.

A customer is a record of its own, `customer:ID`, that counts how often they have written and about
what. It lives by changes which `of` derives from those of tickets, interactions and whatever else
names a customer, so that contacts meet across records and channels wherever the log keeps the customer.
"""

from typing import Any, Literal

import msgspec

from streams.core.entries import Author, Change, Said
from streams.core.text.automatic import is_automatic

KIND = "customer"


def of(change: Change) -> Change | None:
    """What `change` says about the customer whose record it alters; None where that is nothing.

    The customer is the one in the fields of `change`: a feed whose changes bring only what is new, and a
    delete, must carry it too. The change that comes back has these fields:

    * `issue`: the record that is altered.
    * `issue_status`, where `change` tells it: what has been deleted or merged is closed.
    * `visit`, where the customer has written: the channel, or None. A snapshot tells no visit, since its
      time is when it was read, and a counter of contacts none, since a row does not say that it rose.

    It goes by a feed of its own for each issue, so that the order of one says nothing of another's.
    """
    kind = change.record.partition(":")[0]
    customer = change.fields.get("customer")
    if kind == KIND or customer is None or customer == "":
        return None
    fields: dict[str, Any] = {}
    if (status := _status(change)) is not None:
        fields["issue_status"] = status
    if change.op == "upsert" and change.said is not None and wrote(change.by, change.said):
        fields["visit"] = change.said.channel
    if not fields:
        return None
    # The customer is still there when an issue of theirs is deleted.
    op: Literal["upsert", "refresh"] = "upsert" if change.op == "upsert" else "refresh"
    return msgspec.structs.replace(
        change,
        record=f"{KIND}:{customer}",
        op=op,
        feed=f"{change.feed}/{change.record}",
        fields={"issue": change.record, **fields},
        said=None,
    )


def wrote(by: Author | None, said: Said) -> bool:
    """Whether a customer has written `said`, and no machine of theirs. Where the feed does not say who
    it was, nobody knows."""
    return by == "customer" and not said.automatic and not is_automatic(said.text)


def _status(change: Change) -> str | None:
    if change.op == "delete" or change.fields.get("merged") is not None:
        return "closed"
    status: str | None = change.fields.get("status")
    return status
