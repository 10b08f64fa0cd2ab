"""Finds personal data with a pattern: addresses, numbers with check digits. Names have none.

The ingest removes it from conversations before anything is written, and the judge looks for the
same in replies. Standard library only, so that both can use it.

Not found: names, postal addresses, dates of birth, staff or customer numbers, addresses that are
spelled out ("ana at example dot com"), and national numbers of other countries.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

KINDS = ("email", "iban", "card", "national id", "ip", "phone")
"""The kinds that are found; among overlapping matches, the earlier kind counts."""


@dataclass(frozen=True)
class Found:
    """A piece of text that is personal data."""

    kind: str
    start: int
    end: int


def found(text: str) -> list[Found]:
    """The personal data in a text, in order and without overlaps."""
    if not re.search(r"[@\d]", text):  # most texts
        return []
    kept: list[Found] = []
    taken = bytearray(len(text))
    for kind in KINDS:
        for start, end in _FINDERS[kind](text):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                kept.append(Found(kind, start, end))
    return sorted(kept, key=lambda one: one.start)


def scrubbed(text: str) -> str:
    """The text with every piece of personal data replaced by its kind, such as [email]."""
    parts, done = [], 0
    for one in found(text):
        parts += [text[done : one.start], f"[{one.kind}]"]
        done = one.end
    return "".join([*parts, text[done:]])


def leaked(reply: str, prompt: Iterable[str]) -> list[str]:
    """The kinds of personal data in a reply that were not in its prompt, one for each match."""
    pieces = [(one.kind, _plain(reply[one.start : one.end])) for one in found(reply)]
    if not pieces:
        return []
    known = {_plain(text[one.start : one.end]) for text in prompt for one in found(text)}
    return [kind for kind, piece in pieces if piece not in known]


def _plain(piece: str) -> str:
    return "".join(filter(str.isalnum, piece.casefold()))


Places = Iterator[tuple[int, int]]


# E-mail addresses (RFC 5322 without quoted local parts)

_DOMAIN = re.compile(r"@(?:[\w-]{1,63}\.)+[^\W\d_][\w-]{0,62}\b")
_LOCAL = set(".!#$%&'*+/=?^_`{|}~-")


def _emails(text: str) -> Places:
    for domain in _DOMAIN.finditer(text):
        start = at = domain.start()
        while start and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        while start < at and not text[start].isalnum() and text[start] != "_":
            start += 1
        if start < at:
            yield start, domain.end()


# IBAN (ISO 13616): the length by country, and remainder 1 modulo 97

_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
        "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 "
        "IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 "
        "MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 "
        "SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ",
    )
}
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,29}")


def _ibans(text: str) -> Places:
    for match in _IBAN.finditer(text):
        length, count = _LENGTHS.get(match[0][:2].upper(), 0), 0
        for place in range(match.start(), match.end()):
            count += text[place].isalnum()
            if count == length:
                account = _plain(text[match.start() : place + 1])
                ends = not text[place + 1 : place + 2].isalnum()
                number = "".join(str(int(sign, 36)) for sign in account[4:] + account[:4])
                if ends and int(number) % 97 == 1:
                    yield match.start(), place + 1
                break


# Payment cards (ISO/IEC 7812): their first digits, and Luhn's check

_CARD = re.compile(r"(?<![\w.+])(?<!\d[ -])\d(?:[ -]?\d){12,18}(?![\d])")
_ISSUERS = re.compile(r"4|5[0-8]|2[2-7]|3[0-9]|6")


def _cards(text: str) -> Places:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _ISSUERS.match(digits) and _luhn(digits) and len(set(digits)) > 1:
            yield match.span()


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


# National numbers, each by its own check


def _weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _german(digits: str) -> bool:
    """Steuer-ID: one digit occurs two or three times, and ISO 7064 mod 11, 10."""
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in (2, 3) or counts[-2] > 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _polish(digits: str) -> bool:
    """PESEL: a day of birth and a weighted sum."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    return (
        1 <= month <= 12
        and 1 <= day <= 31
        and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def _brazilian(digits: str) -> bool:
    """CPF: two check digits."""
    checks = [_weighted(digits, range(count + 1, 1, -1)) * 10 % 11 % 10 for count in (9, 10)]
    return checks == [int(digits[9]), int(digits[10])] and len(set(digits)) > 1


def _american(digits: str) -> bool:
    """SSN: no check digit, but some numbers are never issued."""
    return (
        digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )


def _french(digits: str) -> bool:
    """NIR: 97 minus the number modulo 97."""
    return digits[0] in "12" and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _swiss(digits: str) -> bool:
    """AHV number: EAN-13."""
    return (10 - _weighted(digits[:12], (1, 3) * 6) % 10) % 10 == int(digits[12])


def _spanish(text: str) -> bool:
    """DNI and NIE: a check letter from the number modulo 23."""
    number = text[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def _italian(text: str) -> bool:
    """Codice fiscale: a check letter from the sum of the others."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
           23)  # fmt: skip
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in text[:15]]
    total = sum(odd[value] if place % 2 == 0 else value for place, value in enumerate(values))
    return chr(65 + total % 26) == text[15]


def _chinese(text: str) -> bool:
    """Resident identity number: ISO 7064 mod 11-2."""
    weights = [2**place % 11 for place in range(17, 0, -1)]
    return "10X98765432"[_weighted(text, weights) % 11] == text[17].upper()


_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901",
    "2793806415", "7046913258",
)  # fmt: skip


def _indian(digits: str) -> bool:
    """Aadhaar: Verhoeff's check."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def _by_form(text: str) -> bool:
    """A number whose form is sufficient."""
    return bool(text)


_NATIONAL: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"\d{3}-\d\d-\d{4}", _american),
    (r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]", _by_form),  # NINO, Britain
    (r"[XYZ\d]\d{7}-?[A-HJ-NP-TV-Z]", _spanish),
    (r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]", _italian),
    (r"[1-6]\d{5}(?:19|20)\d{9}[\dXx]", _chinese),
    (r"756\.?\d{4}\.?\d{4}\.?\d\d", _swiss),
    (r"[12] ?\d\d ?\d\d ?\d\d ?\d{3} ?\d{3} ?\d\d", _french),
    (r"\d{3}\.\d{3}\.\d{3}-\d\d", _brazilian),
    (r"[2-9]\d{3} ?\d{4} ?\d{4}", _indian),
    (r"\d\d ?\d{3} ?\d{3} ?\d{3}", _german),
    (r"\d{11}", _polish),
)
_NATIONAL_FORMS = tuple(
    (re.compile(rf"(?<![\w.+-])(?:{form})(?![\w-])", re.ASCII), check) for form, check in _NATIONAL
)


def _national_ids(text: str) -> Places:
    for form, check in _NATIONAL_FORMS:
        for match in form.finditer(text):
            if check(re.sub(r"[ .-]", "", match[0])):
                yield match.span()


# Internet addresses

_IPV4 = re.compile(r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\D)|(?![\w.]|\.\d))){4}",
                   re.ASCII)  # fmt: skip
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}:[0-9A-Fa-f:.]{1,15}(?![\w:])")


def _ips(text: str) -> Places:
    for form in (_IPV4, _IPV6):
        for match in form.finditer(text):
            piece = match[0].rstrip(".")
            try:
                ipaddress.ip_address(piece)
            except ValueError:
                continue
            if any(map(str.isdigit, piece)):
                yield match.start(), match.start() + len(piece)


# Telephone numbers: with a country prefix, in a form used for nothing else, or after a word such as
# "phone"

_NUMBER = re.compile(
    r"(?<![\w.,/-])(?:\+ ?|\()?\d(?:[ ().\-/\u2011\u2013]{0,2}\d){5,18}(?![\w-])", re.ASCII
)
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}(?!\d)")
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([.-]))[2-9]\d\d(?:\1|-)\d{4}"
)
_SAYS_SO = re.compile(
    r"(?i)(?:phone|mobile|cell|call|tel|fax|whatsapp|ruf\w*|anruf\w*|handy|mobil|número|"
    r"teléfono|móvil|téléphone|portable|appel\w*|telefon\w*|cellulare|"
    r"(?:\b|telefon|handy|mobil|ruf)nummer)\b[^\d\n]{0,20}$"
)


def _phones(text: str) -> Places:
    for match in _NUMBER.finditer(text):
        piece, digits = match[0], re.sub(r"\D", "", match[0])
        if _DATE.match(piece) or piece.startswith("0.") or len(digits) > 15:
            continue
        if piece[0] == "+":
            is_phone = len(digits) >= 7
        elif piece.lstrip("(")[0] == "0":
            is_phone = len(digits) >= 9 and len(set(digits)) > 2
        else:
            is_phone = bool(_NORTH_AMERICAN.fullmatch(piece))
        if is_phone or _SAYS_SO.search(text, max(0, match.start() - 40), match.start()):
            yield match.span()


_FINDERS: dict[str, Callable[[str], Places]] = {
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "national id": _national_ids,
    "ip": _ips,
    "phone": _phones,
}
