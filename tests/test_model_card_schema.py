"""The schema that model cards are validated by is AWS's own, as it is now."""

from __future__ import annotations

import model_card_schema


def test_the_librarys_schema_is_what_aws_publishes() -> None:
    assert model_card_schema.FILE.read_text(encoding="utf-8") == model_card_schema.text(), (
        "run `python tools/model_card_schema.py`"
    )
