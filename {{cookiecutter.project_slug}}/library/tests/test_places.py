"""An error in pipeline.toml names its line, and what may have been meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ninesteps.cli import here, main
from ninesteps.nearest import did_you_mean
from ninesteps.settings.places import line_of

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = '''\
top = 1
# [gate]
[gate]
metric = "auc > 0.75"  # metric = 2
"bias" = """
metric = "this is text"
[bias]
"""

[data.columns]
"last order" = { type = "date", meaning = "x" }
age.type = "number"

[ environments . prod ]
region = "eu-west-1"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1),
        (("gate", "metric"), 4),
        (("gate", "bias"), 5),
        (("gate", "absent"), 3),
        (("data", "columns", "last order", "type"), 11),
        (("data", "columns", "age", "type"), 12),
        (("data", "columns", "none"), 10),
        (("environments", "prod", "region"), 15),
        (("environments", "prod", "account"), 14),
        (("bias", "facets"), None),
        (("nothing",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key_is_found(path: tuple[str, ...], line: int | None) -> None:
    assert line_of(TEXT, path) == line


def test_the_nearest_name_is_offered_whatever_its_case() -> None:
    assert did_you_mean("Metrik", ["metric", "bias"]) == "; did you mean 'metric'?"
    assert did_you_mean("AUC", ["auc"]) == "; did you mean 'auc'?"
    assert did_you_mean("zzz", ["metric"]) == did_you_mean("", ["metric"]) == ""


@pytest.mark.parametrize(
    ("wrong", "key", "place", "hint"),
    [
        ('metrc = "auc > 0.7"', "metric = ", "[gate] metrc: unknown key", "metric"),
        ('metric = "acuracy > 0.7"', "metric = ", "[gate] metric: expected a metric", "accuracy"),
        ('facets = "eopenrat>0.5"', "facets = ", "[bias] facets: expected a column", "eopenrate"),
        ('profile = "chrun"', "profile = ", "[project] profile: expected one of", "churn"),
        ("jobs = true", "jobs = ", "[tuning] jobs: expected a whole number", ""),
    ],
)
def test_a_command_names_the_line_and_what_may_have_been_meant(
    wrong: str, key: str, place: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "pipeline.toml").read_text(encoding="utf-8")
    lines = text.splitlines()
    table = place.partition(" ")[0]
    header = lines.index(table)
    number = next(n for n in range(header, len(lines)) if lines[n].startswith(key))
    lines[number] = wrong
    (tmp_path / "pipeline.toml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main.main, ["cost"]).stderr
    assert said.startswith(f"pipeline: pipeline.toml line {number + 1} {place}")
    assert said.rstrip().endswith(f"; did you mean '{hint}'?" if hint else "got True")
