"""How Debezium writes times and numbers where no schema says what they are."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from streams.core.document import Node
from streams.feeds.debezium.types import INFINITIES, UNITS, decimal, wall_clock
from streams.feeds.values import Reader, number, read_column, read_local_time, shown, utc_text


class DebeziumValues:
    def moment(self, node: Node) -> tuple[str, Reader]:
        field = read_column(node, "unit", "zone", "offset")
        unit = node["unit"].choice(*UNITS) if node.has("unit") else None
        local = read_local_time(node)
        if unit is not None and local.zone is None:
            node.fail(
                "a number is a time without a zone",
                "Say in which zone it is meant, zone: Europe/Berlin, or zone: UTC where it counts from "
                "the epoch in UTC",
            )
        example = f"{node.name}: {{field: {field}, unit: us, zone: Europe/Berlin}}"

        # The same times come again with every change of a row.
        iso_text = lru_cache(maxsize=1 << 14)(local.iso_text)

        def read(value: Any) -> str | None:
            if isinstance(value, str):
                try:
                    return iso_text(value)
                except ValueError:
                    if value in INFINITIES:
                        return None
                    raise
            if type(value) is int:
                if unit is None:
                    raise ValueError(
                        f"{shown(value)} is a number: say what it counts and in which zone, {example}"
                    )
                value = wall_clock(value, unit)
                if value is None:
                    return None
            if not isinstance(value, datetime):
                raise ValueError(f"{shown(value)} is not a time")
            return utc_text(local.utc(value))

        return field, read

    def number(self, node: Node, *others: str) -> tuple[str, Reader]:
        field = read_column(node, "scale", *others)
        if not node.has("scale"):

            def read(value: Any) -> float:
                try:
                    return number(self.unpack(value))
                except ValueError as error:
                    raise ValueError(
                        f"{error}; where it is a decimal in base64, add its scale: "
                        f"{node.name}: {{field: {field}, scale: 2}}"
                    ) from None

            return field, read
        scale = node["scale"].value
        if type(scale) is not int or not 0 <= scale <= 1000:
            node["scale"].fail(
                f"the scale is {shown(scale)}", "Write how many digits are after the point, such as 2"
            )

        def read_scaled(value: Any) -> float:
            return number(decimal(value, scale) if isinstance(value, str) else self.unpack(value))

        return field, read_scaled

    def unpack(self, value: Any) -> Any:
        """A `numeric` without a scale of its own brings it along: {"scale": 1, "value": "LQ=="}."""
        if isinstance(value, dict) and value.keys() == {"scale", "value"}:
            return decimal(value["value"], value["scale"])
        return value
