"""The README's block of values: what the settings say, and nothing that they do not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ninesteps.repository import readme
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.settings import Settings
from pets import settings
from test_conversation_tables import settings as conversations

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, of: Settings, before: str = "old") -> str:
    """A README after its block was written: a line before it and one behind."""
    text = f"Above\n{readme.BEGIN}\n{before}\n{readme.END}\nBelow\n"
    (folder / readme.NAME).write_text(text, encoding="utf-8")
    assert readme.write(folder, of)
    return (folder / readme.NAME).read_text(encoding="utf-8")


def test_this_repositorys_readme_says_what_its_settings_say() -> None:
    assert readme.is_current(ROOT, pipeline_settings.load(ROOT)), "run `pipeline readme`"


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    text = written(tmp_path, settings())
    assert text == f"Above\n{readme.BEGIN}\n{readme.block(settings())}{readme.END}\nBelow\n"
    assert written(tmp_path, settings(), before=readme.block(settings())) == text


@pytest.mark.parametrize(
    "change",
    [{"gate": {"metric": "auc > 0.9"}}, {"bias": {"facets": ""}}, {"data": {"label": "kept"}},
     {"tuning": {"jobs": 7}}, {"schedule": {"cadence": "weekly"}}, {"split": {"group": "born"}},
     {"model": {"exclude": ("age",)}}, {"project": {"prefix": "Vet"}}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_another_setting_makes_the_block_out_of_date(
    tmp_path: Path, change: dict[str, dict[str, object]]
) -> None:
    written(tmp_path, settings())
    ((section, values),) = change.items()
    part = dataclasses.replace(getattr(settings(), section), **values)
    changed = dataclasses.replace(settings(), **{section: part})
    assert readme.is_current(tmp_path, settings())
    assert not readme.is_current(tmp_path, changed)


def test_a_value_that_looks_like_the_end_mark_does_not_end_the_block(tmp_path: Path) -> None:
    odd = dataclasses.replace(
        settings(), data=dataclasses.replace(settings().data, label=f"`a` {readme.END}")
    )
    text = written(tmp_path, odd)
    assert readme.write(tmp_path, odd)
    assert (tmp_path / readme.NAME).read_text(encoding="utf-8") == text
    assert "`` `a` <!-- end --> ``".rstrip("` ") in text


def test_a_readme_without_a_block_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / readme.NAME).write_text("Ours\n", encoding="utf-8")
    assert not readme.write(tmp_path, settings())
    assert readme.is_current(tmp_path, settings())
    assert (tmp_path / readme.NAME).read_text(encoding="utf-8") == "Ours\n"


def test_a_language_model_has_words_of_its_own() -> None:
    of = conversations()
    block = readme.block(of)
    assert (
        "the reply to `messages`, a language_model problem that starts from `data/base`;" in block
    )
    for words in (
        "fine-tunings of the base",
        "replies judged",
        "batch replies",
        "words that count",
    ):
        assert words in block
        assert words not in readme.block(settings())
    assert "SHAP" in readme.block(settings())
    assert not {"SHAP", "auc", "predictions"} & set(
        block.replace("<", " ").replace('"', " ").split()
    )
