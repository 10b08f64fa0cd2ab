"""`pipeline schema --write`: the draft replaces `[data]`, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.repository import drafted

DRAFT = """# Drafted from 3 rows.
[data]
file = "x.csv"
undecided = ["-"]

[data.columns]
a = { type = "number" }

# facets = "a"
"""
BEFORE = '# The project.\n[project]\nname = "x"\n\n'
AFTER = '# How rows are split.\n[split]\nsalt = "s"  # fixed\n'


def written(folder: Path, data: str, before: str = BEFORE, after: str = AFTER) -> str:
    file = folder / "pipeline.toml"
    file.write_text(f"{before}{data}{after}", "utf-8")
    drafted.write(folder, DRAFT)
    return file.read_text("utf-8")


@pytest.mark.parametrize(
    "data",
    [
        '# No table yet.\n# Draft it.\n[data]\nlabel = "x"\n\n',
        '[data]\nlabel = "x"\n[data.columns]\nb = { type = "text" }\n\n# facets = "b"\n\n',
        "",
    ],
)
def test_a_draft_replaces_data_and_its_comments(tmp_path: Path, data: str) -> None:
    text = written(tmp_path, data)
    assert text.replace(DRAFT, "").split() == (BEFORE + AFTER).split()
    assert text.startswith(f"{BEFORE}{DRAFT}\n{AFTER}" if data else BEFORE)


def test_a_draft_with_undecided_words_is_replaced_and_another_is_not(tmp_path: Path) -> None:
    once = written(tmp_path, '[data]\nlabel = "x"\n\n')
    drafted.write(tmp_path, DRAFT)
    assert (tmp_path / "pipeline.toml").read_text("utf-8") == once
    drafted.write(tmp_path, DRAFT.replace('undecided = ["-"]', 'missing = ["-"]'))
    decided = (tmp_path / "pipeline.toml").read_text("utf-8")
    with pytest.raises(SettingsError, match=r"only while it names no table.*'x\.csv'"):
        drafted.write(tmp_path, DRAFT)
    assert (tmp_path / "pipeline.toml").read_text("utf-8") == decided


def test_the_contract_stays(tmp_path: Path) -> None:
    text = written(tmp_path, '[data]\nlabel = "x"\n\n[data.quality]\ndropped = 0.1\n\n')
    assert tomllib.loads(text)["data"]["quality"] == {"dropped": 0.1}


def test_lines_that_cannot_be_told_apart_stay_as_they_are(tmp_path: Path) -> None:
    whole = f'{BEFORE}[data]\nlabel = "x"\nvalues = [\n["a"],\n]\n{AFTER}'
    with pytest.raises(SettingsError, match="by hand"):
        written(tmp_path, "", whole, "")
    assert (tmp_path / "pipeline.toml").read_text("utf-8") == whole
