"""The profile `hr` for own tables: the draft proposes it, and following the docs leads to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ninesteps.errors import ProfileError, SettingsError
from ninesteps.feature_store.drafting.draft import Decisions, draft
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings

CUSTOM = Path(__file__).resolve().parents[2] / "scenarios/custom/pipeline.toml"

PEOPLE = "staff_id,left,Geschlecht,age,vorname,salary,hired\n" + "".join(
    f"P{n},{n % 3 == 0:d},{'MWD'[n % 3]},{20 + n % 45},{('Ada', 'Bo', 'Cy')[n % 3]}{n % 30},"
    f"{30_000 + n * 7},2020-0{1 + n % 9}-01\n"
    for n in range(200)
)


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("people") / "people.csv"
    file.write_text(PEOPLE, "utf-8")
    return draft(file, Decisions("left"))


def line(drafted: str, start: str) -> str:
    """A line that the draft proposes, without its #."""
    (found,) = re.findall(rf"^# ({start} = .*)$", drafted, re.MULTILINE)
    return str(found)


def settings(folder: Path, drafted: str, **lines: str) -> Settings:
    """The settings of the custom scenario with a draft, and lines in the place of its own."""
    before, _, rest = CUSTOM.read_text(encoding="utf-8").partition("[data]\n")
    text = f"{before}{drafted}\n[split]\n{rest.partition('[split]')[2]}"
    for start, one in lines.items():
        text, count = re.subn(rf"^{start} = .*$", lambda _, one=one: one, text, flags=re.MULTILINE)
        assert count == 1, start
    (folder / "pipeline.toml").write_text(text, "utf-8")
    return loading.load(folder)


def test_the_draft_names_protected_columns_why_and_what_to_write(drafted: str) -> None:
    assert "# - Usually protected attributes: Geschlecht, age, vorname. See the end." in drafted
    assert "# - Geschlecht: sex or gender (Directive 2006/54/EC," in drafted
    assert line(drafted, "exclude") == 'exclude = ["Geschlecht", "age", "vorname"]'
    assert line(drafted, "facets") == 'facets = "Geschlecht, age>=40"'
    assert 'with profile = "hr" in [project]' in " ".join(drafted.split())


def test_a_column_with_a_stored_name_is_proposed_as_a_facet(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE.replace(",age,", ",Age (yrs),", 1), "utf-8")
    drafted = draft(file, Decisions("left"))
    assert line(drafted, "facets") == 'facets = "Geschlecht, Age (yrs)>=40"'
    assert '"Age (yrs)" = "age_yrs"' in drafted
    file.write_text(PEOPLE.replace(",age,", ",age=,", 1), "utf-8")
    assert line(draft(file, Decisions("left")), "facets") == 'facets = "Geschlecht"'


def test_the_draft_of_a_table_of_nobody_at_work_proposes_no_profile(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(PEOPLE.replace("staff_id", "id").replace("salary,hired", "x,y"), "utf-8")
    drafted = draft(file, Decisions("left"))
    assert line(drafted, "facets")
    assert "hr" not in drafted.split()
    none = PEOPLE.replace("Geschlecht,age,vorname", "message,stage,x").replace(",W,", ",Q,")
    file.write_text(none, "utf-8")
    assert "protected" not in draft(file, Decisions("left"))


def test_following_the_docs_leads_to_the_profile_and_its_bias_gate(
    tmp_path: Path, drafted: str
) -> None:
    proposed = {name: line(drafted, name) for name in ("exclude", "facets")}
    assert settings(tmp_path, drafted, **proposed).project.profile == "custom"
    proposed["profile"] = 'profile = "hr"'
    with pytest.raises(ProfileError, match="expected a limit for every facet, got ''"):
        settings(tmp_path, drafted, **proposed)
    proposed["bias"] = 'bias = "worst_dppl < 0.1"'
    own = settings(tmp_path, drafted, **proposed)
    assert own.project.profile == "hr"
    assert not {"Geschlecht", "age", "vorname"} & {*own.feature_columns}
    with pytest.raises(ProfileError, match="expected at least one facet, got none"):
        settings(tmp_path, drafted, **{**proposed, "facets": 'facets = ""', "bias": 'bias = ""'})


def test_a_column_that_the_model_sees_on_purpose_is_one_of_the_table(
    tmp_path: Path, drafted: str
) -> None:
    meant = f"{line(drafted, 'exclude').replace(chr(34) + 'age' + chr(34) + ', ', '')}"
    own = settings(tmp_path, drafted, exclude=f'{meant}\nprotected.age = "agreed"')
    assert own.model.protected == {"age": "agreed"}
    with pytest.raises(SettingsError, match=r"expected a column of \[data.columns\] .*got 'agee'"):
        settings(tmp_path, drafted, exclude=f'{meant}\nprotected.agee = "agreed"')
