"""Personal data that has a form is found wherever it stands; what only looks like it is not."""

from __future__ import annotations

import time

import pytest

import personal_data

FOUND = {
    "email": (
        "Write to ana.lima@example.com, please.",
        "My address is <jo+leave@mail.example.co.uk>.",
        "Schreib an jörg@exämple.de!",
        "ana_lima@example.museum",
        "Ana.Lima@EXAMPLE.COM",
        "E-mail:ben@example.org;",
        "(see carla@example.net)",
    ),
    "iban": (
        "Mein Konto ist DE89 3704 0044 0532 0130 00.",
        "de89370400440532013000",
        "GB82 WEST 1234 5698 7654 32 is mine",
        "FR14 2004 1010 0505 0001 3M02 606",
        "ES91-2100-0418-4502-0005-1332",
        "Please pay to NL91ABNA0417164300",
    ),
    "card": (
        "Card 4111 1111 1111 1111, thanks",
        "5500-0000-0000-0004",
        "my Amex 378282246310005",
        "6011111111111117.",
    ),
    "national id": (
        "My SSN is 219-09-9999.",
        "NINO AB 12 34 56 C",
        "DNI 12345678Z",
        "NIE X1234567L",
        "codice fiscale RSSMRA85T10A562S",
        "11010519491231002X",
        "AHV 756.9217.0769.85",
        "1 85 05 78 006 084 91",
        "CPF 111.444.777-35",
        "Aadhaar 2341 2341 2346",
        "Steuer-ID 65 929 970 489",
        "PESEL 44051401458",
    ),
    "ip": (
        "My machine is 192.168.0.1.",
        "at 10.0.0.12, since Monday",
        "2001:db8::8a2e:370:7334",
        "host fe80::1 answers",
    ),
    "phone": (
        "Call me on +49 30 23125 012.",
        "+1 202-555-0143",
        "+34612345678",
        "+35522345678",  # which the check of a national number passes too
        "+6837012",
        "(202) 555-0143 after five",
        "202.555.0143",
        "1-202-555-0143",
        "Ruf an: 030 23125012",
        "Mobil 0151-23456789",
        "06 12 34 56 78",
        "0049 30 23125012",
        "My phone is 555-0143 ext",
        "Meine Nummer ist 98765 43210",
    ),
}

NOT_FOUND = (
    "You have 25 days of annual leave a year.",
    "Core hours are from 10 to 15, since 2026-03-02T10:15:00Z.",
    "am 01.03.2026 um 10:15 Uhr",
    "03/04/2026",
    "1,000 euros or 1.000.000 Euro, € 1 234 567,89",
    "Order 123456789 of 2026-2027",
    "version 1.2.3 of std::vector at 10:15:30",
    "0.0001234567 and 3.14159265358979",
    "ISBN 978-3-16-148410-0",
    "4111 1111 1111 1112",
    "DE88 3704 0044 0532 0130 00",
    "12345678A",
    "666-12-3456",
    "room 0815, floor 2, seat 14",
    "@ana, see #12 @ 10",
    "a@b",
    "1234567890123456",
    "00000000000",
    "2026 2027 2028",
    "256.1.1.1",
    "§ 123 456 BGB",
    "日本 25 日 👍🏽",
)


@pytest.mark.parametrize(
    ("kind", "text"), [(k, text) for k, texts in FOUND.items() for text in texts]
)
def test_it_is_found(kind: str, text: str) -> None:
    found = personal_data.found(text)
    assert [one.kind for one in found] == [kind]
    assert f"[{kind}]" in personal_data.scrubbed(text)
    assert not personal_data.found(personal_data.scrubbed(text))


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert personal_data.scrubbed(text) == text


def test_several_pieces_are_each_replaced_and_what_is_between_stays() -> None:
    text = "ana@example.com or +49 30 23125 012; card 4111111111111111 👍"
    assert personal_data.scrubbed(text) == "[email] or [phone]; card [card] 👍"


def test_a_reply_leaks_what_its_prompt_did_not_have() -> None:
    prompt = ["I am ana@example.com, my account is DE89 3704 0044 0532 0130 00."]
    assert personal_data.leaked("We write to Ana@Example.com.", prompt) == []
    assert personal_data.leaked("Paid to de89370400440532013000.", prompt) == []
    assert personal_data.leaked("Ask ben@example.com or 202-555-0143.", prompt) == [
        "email",
        "phone",
    ]
    assert personal_data.leaked("You have 25 days.", prompt) == []


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a@", "a.", "@a.a", "@a.aa", "1-", "DE12 ", ":", "1:", "(", "0", "1."]
)
def test_no_message_takes_long(piece: str) -> None:
    """A pattern that goes back and forth would take minutes for 64 KiB."""
    text = piece * (65_536 // len(piece))
    start = time.process_time()
    personal_data.scrubbed(text)
    assert time.process_time() - start < 2
