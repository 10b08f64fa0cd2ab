"""Columns by which people are protected: by name in many languages, by values, and what is none."""

from __future__ import annotations

import pytest

from ninesteps.feature_store.protected import kind_of, kinds

NAMED = {
    "gender": "gender emp_gender Sex SEX customer_sex Geschlecht sexe género gênero płeć kön "
    "geslacht sesso sexo linga 性别 性別 employeeGender",
    "age": "age Age customer_age age_group AgeYears birth_date DOB dateOfBirth GeburtsDatum "
    "Geburtsjahr date_naissance fecha_nacimiento data_nascimento leeftijd wiek ålder età edad "
    "idade umra 年齢 出生日期 SeniorCitizen",
    "ethnicity": "ethnicity Ethnic_Group race race_code Hautfarbe etnia raça 民族",
    "religion": "religion Konfession religión godsdienst wyznanie dharm 宗教",
    "disability": "disability isDisabled Schwerbehinderung discapacidad niepełnosprawność divyang",
    "nationality": "nationality citizenship Staatsangehörigkeit nacionalidad obywatelstwo 国籍",
    "marital_status": "MaritalStatus marital_status Familienstand estado_civil stato_civile 婚姻",
    "pregnancy": "pregnant Elternzeit num_children children schwanger 妊娠",
    "orientation": "sexual_orientation sexuelle_Orientierung LGBT",
    "union": "union_member TradeUnion Gewerkschaft sindicato",
    "politics": "political_party PoliticalOpinion Parteimitglied",
    "caste": "caste Sub-Caste jati जाति",
    "home": "postcode zip_code ZIP PLZ PinCode code_postal 郵便番号",
    "name": "first_name FirstName Vorname surname prénom 姓名",
}

NONE = """
message page stage sexton average language image race_time storage package percentage manager
wage agency agent mileage account_age age_of_account vehicle_age trace grace third_party party
ETA eta eta_minutes color alternative alteration kontrolle engineer genre unionpay reunion
union_find health_check_url casting broadcast caster religious_holiday city location team_size
salary hired product_name username company_name man_hours mankind parent_id children_ids state
status email zip_file voyage usage coverage engagement agenda beneficiary tenure visa_card
linger lingerie konto birth_certificate password pwd_hash barn colour manufacturer generation
sextant essex racer
"""


@pytest.mark.parametrize(("key", "names"), NAMED.items())
def test_a_column_is_recognised_by_its_name(key: str, names: str) -> None:
    found = {name: kind_of(name) for name in names.split()}
    assert {name: kind and kind.key for name, kind in found.items()} == dict.fromkeys(found, key)


@pytest.mark.parametrize("name", NONE.split())
def test_a_name_that_has_a_term_within_it_is_none(name: str) -> None:
    assert kind_of(name) is None


@pytest.mark.parametrize(
    ("values", "key"),
    [("M F", "gender"), ("f m x", "gender"), ("H F", "gender"), ("male female", "gender"),
     ("Männlich weiblich divers", "gender"), ("男 女", "gender"), ("SC ST OBC general", "caste"),
     ("married single", "marital_status"), ("m h", None), ("other unknown", None),
     ("white black", None), ("sc st", None), ("m", None), ("m x", None),
     ("m f yes", None), ("", None)],
)  # fmt: skip
def test_a_column_is_recognised_by_its_values_alone(values: str, key: str | None) -> None:
    kind = kind_of("q7", values.split())
    assert (kind and kind.key) == key


def test_the_numbers_of_a_name_that_means_other_things_too_decide() -> None:
    assert kind_of("age", numbers=(0, 99))
    assert kind_of("age", numbers=(0, 4_000)) is None
    assert kind_of("race", numbers=(0, 99)) is None
    assert kind_of("sex", numbers=(0, 1))


def test_every_kind_names_its_sources_and_no_term_is_of_two_kinds() -> None:
    assert all(kind.sources and kind.name for kind in kinds().values())
    terms = [term for kind in kinds().values() for term in (*kind.strong, *kind.weak)]
    assert sorted(terms) == sorted({*terms})
