"""Mail that nobody wrote."""

import pytest

from streams.core.text.automatic import is_automatic

AUTOMATIC_HEADERS = [
    {"Auto-Submitted": "auto-replied"},
    {"auto-submitted": "auto-generated; owner-email=x"},
    {"X-Autoreply": "yes"},
    {"X-Autorespond": "Out of office"},
    {"Precedence": "bulk"},
    {"PRECEDENCE": " auto_reply "},
    {"X-Failed-Recipients": "ann@example.com"},
    {"Return-Path": "<>"},
    {"Content-Type": "multipart/report; report-type=delivery-status"},
]
HUMAN_HEADERS: list[dict[str, str]] = [
    {},
    {"Auto-Submitted": "no"},
    {"X-Autoreply": "no"},
    {"Precedence": "first-class"},
    {"Return-Path": "<ann@example.com>"},
    {"Content-Type": "multipart/alternative"},
]
AUTOMATIC_SUBJECTS = [
    "Automatic reply: Your order",
    "Out of Office",
    "AUTOREPLY: Re: ticket 4711",
    "Undeliverable: Your offer",
    "Mail delivery failed: returning message to sender",
    "Delivery Status Notification (Failure)",
    "Read: our contract",
    "Automatische Antwort: Angebot",
    "Abwesenheitsnotiz: Angebot",
    "Réponse automatique : offre",
    "Respuesta automática: oferta",
    "Risposta automatica: offerta",
    "Automatisch antwoord: offerte",
]
HUMAN_SUBJECTS = [
    "",
    "Broken again",
    "Re: Automatic reply: Your order",
    "Read this before I cancel",
    "Our automatic reply rules do not work",
    "Your mail was undeliverable",
]
AUTOMATIC_TEXTS = [
    "I am currently out of the office and will be back on Monday.",
    "Hello,\n\nI’m on annual leave until 4 May.",
    "Thank you for contacting us. We have received your request and will answer soon.",
    "This is an automated message, please do not reply.",
    "This is the mail system at host mx.example.com.",
    "Ich bin derzeit nicht im Büro.",
    "Guten Tag, wir haben Ihre Anfrage erhalten.",
    "Je suis actuellement absente.",
    "Estoy de vacaciones hasta el lunes.",
    "<p>I am out of the office.</p>",
]
HUMAN_TEXTS = [
    "",
    "I want a refund.",
    "Your manager is never in the office.",
    "It broke.\n\nOn 3 May 2027 at 10:00, Ann <ann@example.com> wrote:\n> I am out of the office",
    "word " * 200 + "I am out of the office",
]


@pytest.mark.parametrize("headers", AUTOMATIC_HEADERS, ids=str)
def test_headers_of_a_machine(headers: dict[str, str]) -> None:
    assert is_automatic("Hello", headers=headers)


@pytest.mark.parametrize("headers", HUMAN_HEADERS, ids=str)
def test_headers_of_a_person(headers: dict[str, str]) -> None:
    assert not is_automatic("Hello", headers=headers)


@pytest.mark.parametrize("subject", AUTOMATIC_SUBJECTS)
def test_subject_of_a_machine(subject: str) -> None:
    assert is_automatic("Hello", subject=subject)


@pytest.mark.parametrize("subject", HUMAN_SUBJECTS)
def test_subject_of_a_person(subject: str) -> None:
    assert not is_automatic("Hello", subject=subject)


@pytest.mark.parametrize("text", AUTOMATIC_TEXTS)
def test_text_of_a_machine(text: str) -> None:
    assert is_automatic(text)


@pytest.mark.parametrize("text", HUMAN_TEXTS, ids=lambda text: text[:30])
def test_text_of_a_person(text: str) -> None:
    assert not is_automatic(text)
