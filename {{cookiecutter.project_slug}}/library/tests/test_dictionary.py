"""The dictionary of features: what each is by the settings, on the page and in the model card."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ninesteps.cli.definition import _unknown_exclusions
from ninesteps.feature_store.ingest import _digest
from ninesteps.model_card.content import Card
from ninesteps.model_card.schema import as_text
from ninesteps.report.dictionary import Dictionary, Feature, rows
from ninesteps.report.evidence import collect
from ninesteps.report.page import build
from ninesteps.report.reading import Reading
from ninesteps.settings.data import Column
from ninesteps.settings.features import Features, SharedGroup
from ninesteps.settings.meanings import Computed
from ninesteps.settings.settings import Settings
from ninesteps.step_code.raw_columns import raw_columns
from page_structure import Page, check_structure
from pets import changed, settings
from reports import facts, files
from test_model_card import STATED, registered_facts, version

AGE = Column("number", meaning="Age in years")
SPECIES = Column("category", values=("cat", "dog"), meaning="What it is")


def described(**sections: dict[str, Any]) -> Settings:
    dictionary = {"age_in_days": Computed("Age in days", ("age",)),
                  "shop_visits": Computed("Visits of the shop")}  # fmt: skip
    shared = {"shop": SharedGroup("shop-customers", ("visits", "spent"))}
    plain = settings(age=AGE, species=SPECIES)
    features = Features(dictionary=dictionary, groups=shared)
    return changed(dataclasses.replace(plain, features=features), **sections)


NAMES = ["age", "age_in_days", "species_cat", "species_dog", "shop_visits", "shop_spent"]


def test_every_kind_of_feature_has_a_name_a_type_a_meaning_and_a_source() -> None:
    assert rows(described(), [*NAMES, "born (days ago)"])[:6] == [
        Feature("age", "number", "Age in years", "raw column", ("age",)),
        Feature("age_in_days", "number", "Age in days", "computed from age", ("age",)),
        Feature("species_...", "category", "What it is",
                "species: 0 or 1 for each of its 2 values; its groups are compared too",
                ("species",)),
        Feature("shop_visits", "number", "Visits of the shop",
                "feature group shop-customers, column visits"),
        Feature("shop_spent", "number", "", "feature group shop-customers, column spent"),
        Feature("born (days ago)", "number", "", "computed from born", ("born",)),
    ]  # fmt: skip


def test_a_feature_that_is_named_after_a_column_has_its_meaning() -> None:
    born = Column("date", format="%Y", meaning="Day of birth")
    (feature, *_) = rows(settings(born=born), ["born (days ago)"])
    assert feature.meaning == "Day of birth (days ago)"


def test_what_the_model_never_sees_is_named_with_the_reason() -> None:
    of = described(model={"exclude": ("species", "weight")})
    unseen = [row for row in rows(of, ["age", "age_in_days"]) if not row.is_seen]
    assert [(row.name, row.source) for row in unseen] == [
        ("born", "no feature is computed from it"),
        ("species", "withheld by [model] exclude; its groups are compared"),
    ]
    assert unseen[1].meaning == "What it is"


def test_a_column_is_not_called_unused_where_a_feature_may_come_from_it() -> None:
    assert [row.name for row in rows(settings(), ["age", "mystery"])] == ["age", "mystery"]
    assert rows(settings(), ["mystery"])[0].source == "computed by features.py"


def test_a_language_model_has_no_features_and_learns_from_its_conversations() -> None:
    of = changed(settings(said=Column("conversation")), project={"problem": "language_model"})
    found = {row.name: row for row in rows(of, [])}
    assert [name for name, row in found.items() if row.is_seen] == ["said"]
    assert found["species"].source == "stored with the conversations; its groups are compared"


def test_a_meaning_of_no_feature_is_refused_with_the_nearest_name() -> None:
    assert Dictionary.of(described()).unknown(NAMES) == []
    (said,) = Dictionary.of(described()).unknown(["age", "age_days", "shop_visits"])
    assert said == (
        "pipeline.toml [features.dictionary]: expected the name of a feature that "
        "feature_store/features.py gives, got 'age_in_days'; did you mean 'age_days'?"
    )


def test_features_without_a_meaning_are_told_and_columns_that_are_not_seen_are_not() -> None:
    of = changed(described(), model={"exclude": ("born",)})
    assert Dictionary.of(of).without_meaning(NAMES) == ["shop_spent"]


def test_a_meaning_is_in_no_bytes_that_a_step_or_a_table_is_known_by() -> None:
    plain = settings(age=Column("number"), species=dataclasses.replace(SPECIES, meaning=""))
    with_meanings = settings(age=AGE, species=SPECIES)
    entries = Features(group="pets", dictionary={"x": Computed("X")})
    assert raw_columns(with_meanings) == raw_columns(plain)
    assert _digest("00", with_meanings, entries) == _digest("00", plain, Features(group="pets"))
    other = settings(age=dataclasses.replace(AGE, required=True), species=SPECIES)
    assert _digest("00", other, entries) != _digest("00", plain, Features(group="pets"))


def page(of: Settings | None) -> Page:
    run = facts(dictionary=Dictionary.of(of) if of else None)
    return check_structure(build(run, files()).html)


def of_the_report(**columns: Column) -> Settings:
    """The settings of `reports.COLUMNS`, whose features are weight and purrs."""
    return settings(facets="", **columns)


def test_the_page_has_the_dictionary_and_says_what_has_no_meaning() -> None:
    text = page(of_the_report(weight=Column("number", meaning="In <b>kg</b>"))).section("features")
    assert "The model sees 2 features of each record, and nothing else." in text.text
    assert "No meaning is given for purrs." in text.text
    assert ["weight", "In <b>kg</b>", "number", "raw column"] in [
        [cell.text for cell in row.children] for row in text.all("tr")
    ]


def test_the_page_says_where_meanings_are_written_if_none_is_given() -> None:
    assert "No meanings are given yet." in page(of_the_report()).section("features").text
    said = "The settings of this run are not known."
    assert said in page(None).section("features").text


def test_the_model_card_has_the_meanings_as_sagemakers_form_takes_them() -> None:
    columns = {"weight": Column("number", meaning="In kg"), "shot": Column("text")}
    of = changed(of_the_report(**columns), model={"exclude": ("shot",)})
    run = dataclasses.replace(registered_facts(), dictionary=Dictionary.of(of))
    reading = Reading(run, collect(run, files()))
    card = Card(version(), reading, STATED, "binary").content()
    as_text(card)  # refuses what the form does not take
    details = card["additional_information"]["custom_details"]
    assert details["feature_weight"] == "In kg (number; raw column)"
    assert details["never_seen_shot"] == "(text; withheld by [model] exclude)"
    assert "feature_purrs" not in details


@pytest.mark.parametrize("meaning", ["", "two\nlines", "x" * 301])
def test_a_meaning_is_one_line(meaning: str) -> None:
    with pytest.raises(ValueError, match="expected one line of at most 300 characters"):
        Computed(meaning)
    if meaning:
        with pytest.raises(ValueError, match="expected one line of at most 300 characters"):
            Column("number", meaning=meaning)


def test_an_excluded_name_that_is_none_is_refused_with_the_nearest_one() -> None:
    def refused(*names: str) -> list[str]:
        return _unknown_exclusions(changed(described(), model={"exclude": names}), NAMES)

    assert refused("species", "age_in_days") == []
    assert refused("age_in_day", "born (days ago)") == [
        "pipeline.toml [model] exclude: expected a column of [data.columns] or a feature that "
        f"feature_store/features.py gives, got {said}"
        for said in ("'age_in_day'; did you mean 'age_in_days'?", "'born (days ago)'")
    ]
