"""CloudEvents 1.0 on Kafka, structured and binary: `format: cloudevents`.

    tickets:
      format: cloudevents
      topic: desk.events
      operation: {field: type, delete: [com.example.ticket.deleted], ignore: [com.example.ping]}
      record: {kind: ticket, id: subject, stage: data.status, owner: data.assignee.id}

Columns are the event's attributes by their names (`subject`, `type`, an extension), and `data.` with a
dotted path. The rest is as in `format: json`, but `at`, which is the attribute `time` unless another is
named: it is optional in CloudEvents, and is not made up here where it is not there.

The mode goes by the content type, as the Kafka binding says; where there is none (a file without
headers), by what there is: `ce_specversion` among the headers, or `specversion` in the value.
CloudEvents: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from base64 import b64decode
from typing import Any

from streams.core.document import Node
from streams.core.entries import Change
from streams.feeds import Message, PassedOver, Undecodable
from streams.feeds.json import KEYS, Documents, read_documents
from streams.feeds.reading import read_at
from streams.feeds.values import listed, parse, shown

_REQUIRED = ("id", "source", "specversion", "type")
_IGNORED = PassedOver("`operation` says that it is to be ignored")


class CloudEventsFeed:
    rows = None

    def __init__(self, name: str, topic: str, documents: Documents) -> None:
        self.name = name
        self.topic = topic
        self.kinds = documents.kinds
        self._documents = documents

    def decode(self, message: Message) -> list[Change] | PassedOver:
        """Raises Undecodable, and nothing else, whatever the bytes are."""
        event = _read_event(message)
        if event is None:
            return PassedOver("a message without a value")
        return self._documents.changes(self.name, message, event, event, message.offset) or _IGNORED


def read_feed(name: str, node: Node) -> CloudEventsFeed:
    """Raises Problem."""
    node.keys("at", *KEYS, required=("format", "topic", "record"))
    at = read_at(node["at"]) if node.has("at") else "time"
    topic = node["topic"].text(example="the name of a topic")
    return CloudEventsFeed(name, topic, read_documents(node, at))


def _read_event(message: Message) -> dict[str, Any] | None:
    """The event as one document, its content under `data`. Raises Undecodable."""
    headers = {name.lower(): value for name, value in message.headers if value is not None}
    content_type = _text(headers.get("content-type", b""), "content-type").lower()
    if content_type.startswith("application/cloudevents"):
        if message.value is None:
            return None
        if content_type.startswith("application/cloudevents-batch"):
            raise Undecodable("a batch of CloudEvents: there is no such mode on Kafka")
        event = _structured(parse(message.value, "value"))
    elif "ce_specversion" in headers:
        event = {name[3:]: _text(value, name) for name, value in headers.items() if name.startswith("ce_")}
        event["datacontenttype"] = content_type or None
        event["data"] = _data(message.value or b"null", content_type)
    elif message.value is None:
        return None
    else:
        event = _structured(parse(message.value, "value"))
    for name in _REQUIRED:
        if not isinstance(event.get(name), str):
            raise Undecodable(f"not a CloudEvent: there is no attribute {name!r}; there are: {listed(event)}")
    if not event["specversion"].startswith("1."):
        raise Undecodable(f"a CloudEvent of the version {shown(event['specversion'])}: 1.0 is read")
    # An event without data leaves the columns of it as they are.
    return {name: value for name, value in event.items() if name != "data" or value is not None}


def _structured(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict) or "specversion" not in event:
        raise Undecodable(
            "not a CloudEvent: neither a content type application/cloudevents, nor a header "
            f"ce_specversion, nor a `specversion` in the value, which is {shown(event)}"
        )
    if "data_base64" in event:
        try:
            content = b64decode(event["data_base64"], validate=True)
        except (ValueError, TypeError):
            raise Undecodable("`data_base64` is not base64") from None
        return {**event, "data": _data(content or b"null", event.get("datacontenttype"))}
    return event


def _data(content: bytes, content_type: Any) -> Any:
    """JSON unless another type is named."""
    kind = content_type.partition(";")[0].strip() if isinstance(content_type, str) else ""
    if kind and not (kind.endswith(("/json", "+json"))):
        raise Undecodable(f"the data of the event is of the type {shown(kind)}, not JSON")
    return parse(content, "data of the event")


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undecodable(f"the header {name!r} is not UTF-8 text") from None
