"""Whether what a text says at a place is negated there: "I don't want to cancel".

Words only, no grammar: a negation reaches forward until its clause ends, or until somebody else
starts to speak of something ("it does not work I want to cancel").
"""

import re
from collections.abc import Sequence

from streams.core.text.tokens import Token

_NEGATION = re.compile(
    r"no|not|never|none|nobody|noone|nothing|neither|nor|without|hardly|barely|avoid|avoiding|unlikely|cannot"
    r"|(?:do|does|did|ca|could|wo|would|should|is|are|was|were|have|has|had|ai|need|must)n'?t"
)
_CLAUSE = re.compile(r"but|and|so|because|since|therefore|hence|otherwise|then|until|unless|while")
_SUBJECT = re.compile(r"(?:i|we|you|he|she|they|it|this|that)(?:'\w+)?|im|ill|ive")
# "I don't think we ..." negates what we do.
_REACHES_ON = re.compile(
    r"(?:think|believ|feel|mean|sa[iy]|see|wish|guess|suppos|know|want|expect|need|ask|impl|suggest|threaten"
    r"|imagin)\w*|for|to|if|whether"
)
# What stands behind a negation that negates nothing: "not only", "don't make me", "can't wait".
_IDLE = re.compile(r"(?:only|just|choice|option|alternative|wait)\b|make (?:me|us)\b")


def is_negation(token: Token) -> bool:
    return _NEGATION.fullmatch(token.text) is not None


def negated(text: Sequence[Token], at: int, *, within: int) -> bool:
    """Whether one of the `within` tokens before token `at` negates what begins there."""
    for place in range(at - 1, max(at - within, 0) - 1, -1):
        token = text[place]
        if token.punctuation or _CLAUSE.fullmatch(token.text):
            return False
        if is_negation(token):
            return not _idle(text, place)
        if token.text in ("instead", "rather") and text[place + 1].text in ("of", "than"):
            return True
        if _SUBJECT.fullmatch(token.text) and not (place and _REACHES_ON.fullmatch(text[place - 1].text)):
            return False
    return False


def _idle(text: Sequence[Token], place: int) -> bool:
    behind = " ".join(token.text for token in text[place + 1 : place + 3])
    asked_why = place > 0 and text[place - 1].text == "why"
    return asked_why or _IDLE.match(behind) is not None
