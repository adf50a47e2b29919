"""Phrases of a customer about to escalate."""

import pytest

from streams.core.text.phrases import OWN, Phrases, phrases, standard

STANDARD = phrases()

FIRES = {
    "legal": ["My lawyer will be in touch", "we will take legal action", "I'll sue you", "see you in court"],
    "cancel": [
        "I want to cancel my subscription",
        "please close my account",
        "We won't renew",
        "we are looking for alternatives",
        "this is the last straw",
    ],
    "manager": [
        "I want to speak to a manager",
        "Let me talk with your supervisor.",
        "put me through to the manager",
        "please escalate this",
    ],
    "complaint": [
        "I will file a formal complaint",
        "the ombudsman will hear of it",
        "I'm going to the press",
    ],
    "deadline": ["this is my final warning", "Fix it within 24 hours", "by close of business", "or else"],
    "repeated": ["this is the third time I write", "How many times?", "no one answers", "I've been ignored"],
    "refund": [
        "I want a refund",
        "give me my money back",
        "I asked for a full refund",
        "you charged me twice",
    ],
    "outage": ["production is down", "we lost all our data", "URGENT", "our website is down"],
}

CALM = [
    "",
    "How do I change my address?",
    "I don't want to cancel",
    "I don’t want to cancel",
    "I do not\nwant to   cancel my subscription",
    "There is no need to involve a manager.",
    "I did not ask for a refund",
    "I don't think we need to escalate this",
    "We never wanted to speak to a manager",
    "instead of cancelling my account, move it",
    "I never said I want to cancel my contract",
    "we can settle this without legal action",
    "I'm not going to sue you",
    "Nobody wants to take legal action",
    "the suede lawyerly managerial urgentness",
    "I want to. Cancel that thought.",
]

NOT_NEGATED = [
    "It doesn't work, I want to cancel",
    "it does not work I want to cancel",
    "no I want to cancel",
    "Can't I say I want to cancel?",
    "I have not heard from you and I want to cancel",
    "not good enough so I want to cancel",
    "I don't care: I want to cancel",
    "You didn't help. I want to cancel",
    "If you do not help I want to cancel",
    "Not only do I want to cancel",
    "I have no choice, want to cancel",
]


@pytest.mark.parametrize(
    ("section", "text"), [(section, text) for section, texts in FIRES.items() for text in texts]
)
def test_standard_phrases(section: str, text: str) -> None:
    assert section in {found.section for found in STANDARD.find(text)}


@pytest.mark.parametrize("text", CALM)
def test_calm_and_negated(text: str) -> None:
    assert STANDARD.find(text) == ()


@pytest.mark.parametrize("text", NOT_NEGATED)
def test_a_negation_ends_with_its_clause(text: str) -> None:
    assert "want to cancel" in {found.words for found in STANDARD.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Don't make me call my lawyer",
        "Why don't you ask my lawyer",
        "I can't wait to call my lawyer",
        "not just you, my lawyer too",
        "Not just my lawyer",
    ],
)
def test_a_negation_that_negates_nothing(text: str) -> None:
    assert [found.words for found in STANDARD.find(text)] == ["my lawyer"]


def test_what_is_found_says_where() -> None:
    text = "Hello.\n\nThis is the  THIRD time I’ve asked. Answer me!"
    (found,) = STANDARD.find(text)
    assert found.section == "repeated"
    assert found.words == text[found.start : found.end] == "THIRD time I’ve"
    assert found.phrase in standard()["repeated"]
    assert found.context == "Hello. This is the THIRD time I’ve asked. Answer me!"


def test_the_context_is_short() -> None:
    (found,) = STANDARD.find("word " * 100 + "speak to a manager" + " word" * 100)
    assert len(found.context) < 110
    assert found.words in found.context


def test_the_longest_phrase_counts_once() -> None:
    found = Phrases({"a": ["cancel"], "b": ["cancel my account"]}).find("Cancel my account")
    assert [(each.section, each.words) for each in found] == [("b", "Cancel my account")]


def test_more_phrases() -> None:
    own = phrases(plus=["pull the plug", "rip* out"])
    assert [
        (each.section, each.words) for each in own.find("We pull the plug and I'm ripping out it all")
    ] == [
        (OWN, "pull the plug"),
        (OWN, "ripping out"),
    ]
    assert own.find("we will not pull the plug") == ()


def test_a_phrase_of_ones_own_comes_before_the_standard() -> None:
    assert [each.section for each in phrases(plus=["urgent"]).find("urgent")] == [OWN]


def test_fewer_phrases() -> None:
    assert phrases(without=["urgent"]).find("urgent") == ()
    assert phrases(without=["outage"]).find("urgent, production is down") == ()
    assert phrases(without=standard()).find("I will sue you, urgent") == ()


def test_leaving_out_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="not in the standard list: pull the plug"):
        phrases(without=["pull the plug"])


@pytest.mark.parametrize("phrase", ["", "  ", "?!?a?", "word?", "*", "a|b|c " * 20])
def test_phrases_that_cannot_be(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"no word|spellings"):
        phrases(plus=[phrase])


def test_every_section_is_tried_here() -> None:
    assert FIRES.keys() == standard().keys()
