"""A text as tokens: words, signs such as emoji and emoticons, and punctuation."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    # Addresses and handles name somebody; they say nothing.
    r"(?P<address>https?://\S+|www\.\S+|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+|@\w+)"
    r"|(?P<emoticon>>?[:;=]['-]?[()/]|(?<!\w)[:x][-']?[dp](?!\w)|\(:|\):|<3|\^_\^)"
    r"|(?P<word>\w+(?:['’ʼ`]\w+)*)"
    r"|(?P<punctuation>[.,;:!?…]+|\n\s*\n)"
    r"|(?P<sign>[^\w\s#])",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans("’ʼ`", "'''")


class Token(NamedTuple):
    """One token: `text` in lower case with straight apostrophes; `start` and `end` in the text it is of."""

    text: str
    start: int
    end: int
    punctuation: bool


def tokens(text: str) -> list[Token]:
    """The tokens of `text` in order, without addresses, links and handles."""
    return [
        Token(
            match[0].lower().translate(_APOSTROPHES),
            match.start(),
            match.end(),
            match.lastgroup == "punctuation",
        )
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "address"
    ]
