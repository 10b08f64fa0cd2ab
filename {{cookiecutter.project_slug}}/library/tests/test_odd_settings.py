"""Whatever stands in `pipeline.toml`: read, or refused in a sentence that names the place."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import re
import sys
import tomllib
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sagemaker.core import image_uris

from ninesteps.definition.definition import read_definition
from ninesteps.errors import LONGEST_MESSAGE, NineStepsError, SettingsError
from ninesteps.infrastructure import stacks
from ninesteps.runs import compiled
from ninesteps.sdk import CLARIFY_VERSION
from ninesteps.settings import loading
from ninesteps.settings.operation import LOCAL_DISKS
from ninesteps.settings.regions import (
    REGIONS,
    WITHOUT_CLARIFY,
    WITHOUT_HUGGING_FACE,
    WITHOUT_XGBOOST,
    partition,
    require_region,
)
from ninesteps.settings.settings import Settings
from ninesteps.settings.toml import RuleBroken
from ninesteps.step_code.images import INFERENCE, TRAINING, XGBOOST
from ninesteps.validation import check_values, service
from ninesteps.validation.repository import definition_violations

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "pipeline.toml").read_text(encoding="utf-8")
ENVIRONMENT = {"account": "111122223333", "region": "eu-west-1"}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"


class Raw(str):
    """TOML as it is, where JSON has no such value."""


ODD: list[Any] = [
    -1, 0, 1, 2**31, 2**32, 2**63, 0.5, -0.5, 1e-320, 1e308, True, False,
    *map(Raw, ("nan", "-inf", "0x" + "f" * 5000, "9" * 5000, "1e999", "1979-05-27", "07:32:00")),
    *("", " ", "a" * 100_000, "\0", "a\0b", "\n", "\x1b[31m", "\u202e", "\x7f", "é客户🎉", "a\\b"),
    *("/etc/passwd", "../..", "%Y-%Y", "%", "%Q", "{{ x }}", "'", '"', "*"),
    *("(" * 5000, "auc > " + "(" * 3000, "not " * 3000, "auc > 1e999", "auc > nan", "and"),
    *("auc > 0.5 and " * 2000 + "auc > 0.5", "dppl[x] < 0.1", "a>=nan", "a>=1e999", "=", "a=|"),
    *("rate(99999999 days)", "cron(* * * * * *)", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    [], ["a"], [1], [[]], ["\0"], ["a"] * 5000, {}, {"a": 1}, {"a": {"b": {}}},
]  # fmt: skip


def keys(cls: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that a file may have; of a table with names of one's own, some names."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        here, hint = (*path, field.name), hints[field.name]
        if not field.metadata.get("in_file", True):
            continue
        yield here
        if dataclasses.is_dataclass(hint):
            yield from keys(hint, here)
        elif typing.get_origin(hint) is dict:
            inner = typing.get_args(hint)[1]
            for name in {"columns": ("custid", "city", "firstorder")}.get(field.name, ("prod", "")):
                yield (*here, name)
                yield from keys(inner, (*here, name)) if dataclasses.is_dataclass(inner) else ()


KEYS = list(keys(Settings))


def toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f")


def load(folder: Path, content: dict[str, Any]) -> Settings:
    lines = [f"{json.dumps(key)} = {toml(value)}\n" for key, value in content.items()]
    (folder / "pipeline.toml").write_text("".join(lines), encoding="utf-8")
    return loading.load(folder)


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """These settings with one value changed."""
    content = tomllib.loads(TEXT) | {"environments": {"prod": dict(ENVIRONMENT)}}
    table: Any = content
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = value
    return content


@settings(
    max_examples=int(os.environ.get("SETTINGS_TRIED", "60")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(KEYS), value=st.sampled_from(ODD) | st.text(max_size=20) | st.floats())
def test_a_setting_of_any_value_is_read_or_refused_in_a_sentence(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    if isinstance(value, float):
        value = Raw(repr(value))
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return  # no file in UTF-8 has it
    try:
        read = load(tmp_path, changed(path, value))
        for name in read.environments:
            read.account_environment(name)
        read.cadence.next(datetime.now(tz=UTC))
    except NineStepsError as error:
        assert str(error).startswith(("pipeline.toml", "profiles/"))
        assert "\n" not in str(error) and len(str(error)) < LONGEST_MESSAGE + 100


LIKELY: dict[type, list[Any]] = {
    bool: [True, False],
    int: [1, 2, 3, 7, 20, 100, 3600, 2**16, 2**31 - 1],
    float: [1e-9, 0.01, 0.5, 0.9, 1.0, 2.0, 1e17, 0.1234567890123456789],
    str: ["city", "nosuch", "auc >= 0.1 and recall > 0.1", "not auc > 0.9 or f1 > 0", "monthly",
          "dppl[doorstep] < 0.2", "esent>=3", "cron(0 0 29 2 ? 2096)", "Asia/Kathmandu", "<&>\"'",
          "${AWS::Region}", "{{x}}", "ml.c5.xlarge", "cn-north-1", "median", "é客户", "X" * 60],
    tuple: [[], ["city"], ["xgboost"], ["<&>"], ["city", "city"]],
}  # fmt: skip
"""Values of a setting's own type, more of which are read than of the odd ones."""

SCALARS = [
    (path, kind) for path in KEYS
    if (kind := type(functools.reduce(
        lambda o, name: o.get(name) if isinstance(o, dict) else getattr(o, name, None),
        path, typing.cast(Any, loading.load(ROOT))))) in LIKELY
]  # fmt: skip


def test_what_is_read_is_compiled_and_checked_or_refused_in_a_sentence(tmp_path: Path) -> None:
    """The whole of a check in this process: definition, its rules, and the stack's."""
    chance = random.Random(0)
    templates = stacks.read(ROOT)
    for _ in range(int(os.environ.get("SETTINGS_TRIED", "60")) // 4):
        path, kind = chance.choice(SCALARS)
        value = chance.choice(LIKELY[kind])
        try:
            own = load(tmp_path, changed(path, value))
            own = dataclasses.replace(own.with_backend("open_source"), root=ROOT)
            own.check_table()
            environment = own.account_environment("prod")
            text = compiled.definition(own, environment)
            read_definition(text)
            sentences = definition_violations(own, text)
            sentences += stacks.violations(templates, own, environment, text)
        except NineStepsError as error:
            sentences = [str(error)]
        assert not [said for said in sentences if "\n" in said], (path, value)


@pytest.fixture
def commands_recursion_limit() -> Iterator[None]:
    """That of every command: moto's state machines raise it in whatever process imports them."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


FILES = {
    "deep": (b"[project]\nname = " + b"[" * 2000 + b"]" * 2000, "its values are nested too deeply"),
    "deep tables": (TEXT.replace("[project]", "[project.name" + ".x" * 3000 + "]\n[project]", 1)
                    .replace("\nname = ", "\n# ", 1).encode(), "expected a string, got "),
    "digits": (b"[tuning]\nseed = " + b"9" * 5000, "a number has too many digits"),
    "hexadecimal": (TEXT.replace("seed = 20", "seed = 0x" + "f" * 5000).encode(),
                    "[tuning] seed: expected a number of at most 64 bits, got one that is too"),
    "seed": (TEXT.replace("seed = 20", "seed = 4294967296").encode(),
             "[tuning] seed: expected 0 to 4294967295, got 4294967296"),
    "mark": (b"\xef\xbb\xbf" + TEXT.encode(),
             "expected UTF-8 without a byte order mark, got UTF-8"),
    "utf-16": (TEXT.encode("utf-16"), "expected UTF-8 without a byte order mark, got UTF-16"),
    "latin-1": (b"\n# caf\xe9", "expected UTF-8 text, got other bytes in line 2"),
    "nul": (TEXT.encode() + b"\0", "not valid TOML"),
    "twice": (TEXT.encode() * 2, "not valid TOML: Cannot declare ('project',) twice"),
    "large": (b"#" * 10_000_001, "expected at most 10 MB, got more"),
}  # fmt: skip


@pytest.mark.usefixtures("commands_recursion_limit")
@pytest.mark.parametrize(("content", "sentence"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_settings_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "pipeline.toml").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        loading.load(tmp_path)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < LONGEST_MESSAGE + 100


def test_a_folder_in_the_place_of_the_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").mkdir()
    with pytest.raises(SettingsError, match=r"^pipeline\.toml: it cannot be read: "):
        loading.load(tmp_path)


def test_the_regions_are_botocores_less_those_without_the_image() -> None:
    session = botocore.session.Session()
    known = {name: session.get_available_regions("sagemaker", name) for name in REGIONS}
    listed = {region for names in known.values() for region in names}
    assert set(WITHOUT_XGBOOST) == listed.difference(*REGIONS.values())
    assert all(set(names) <= set(known[part]) for part, names in REGIONS.items())


def test_of_a_region_that_has_sagemaker_without_the_image_the_error_says_so() -> None:
    with pytest.raises(RuleBroken, match="this region has SageMaker, but not its XGBoost image"):
        require_region(WITHOUT_XGBOOST[0])


def test_the_regions_are_those_that_have_the_images() -> None:
    regions = {region for names in REGIONS.values() for region in names}
    xgboost = image_uris.config_for_framework("xgboost")["training"]["versions"]
    assert set(xgboost[XGBOOST.version]["registries"]) == regions
    clarify = image_uris.config_for_framework("clarify")["processing"]["versions"]
    assert set(clarify[CLARIFY_VERSION]["registries"]) == regions - set(WITHOUT_CLARIFY)
    both = set(regions)
    for image in (TRAINING, INFERENCE):
        versions = image_uris.config_for_framework(image.framework)[image.scope]["versions"]
        both &= set(versions[image.version][image.base_framework]["registries"])
    assert both == regions - set(WITHOUT_HUGGING_FACE)


def test_names_in_aws_are_of_the_regions_partition(tmp_path: Path) -> None:
    settings = load(tmp_path, changed(("environments", "prod", "region"), "cn-north-1"))
    prod = settings.account_environment("prod")
    assert (prod.partition, prod.role_arn[:11]) == ("aws-cn", "arn:aws-cn:")
    settings = load(tmp_path, changed(("aws", "region"), "us-gov-west-1"))
    assert settings.environment().role_arn.startswith("arn:aws-us-gov:iam::")
    assert partition("us-isof-south-1") == "aws-iso-f"


@pytest.mark.parametrize("region", ["xx-nowhere-9", "mx-central-1", "cn-north-9", "EU-WEST-1", ""])
@pytest.mark.parametrize("path", [("aws", "region"), ("environments", "prod", "region")])
def test_a_region_without_the_image_is_refused(
    tmp_path: Path, path: tuple[str, ...], region: str
) -> None:
    with pytest.raises(SettingsError, match="expected a region that has SageMaker's XGBoost image"):
        load(tmp_path, changed(path, region))


def test_clarify_is_refused_where_its_image_is_not(tmp_path: Path) -> None:
    content = changed(("bias", "backend"), "clarify") | {"aws": {"region": "il-central-1"}}
    read = load(tmp_path, content)
    with pytest.raises(SettingsError, match="'open_source' in il-central-1, which does not have"):
        read.environment()
    assert read.with_backend("open_source").environment()
    assert read.account_environment("prod")


@pytest.mark.parametrize(
    ("path", "instance", "has_key", "is_refused"),
    [
        (("compute", "training_instance"), "ml.g5.xlarge", True, True),
        (("compute", "training_instance"), "ml.g5.xlarge", False, False),
        (("compute", "transform_instance"), "ml.g4dn.xlarge", True, True),
        (("compute", "processing_instance"), "ml.r5d.large", False, True),
        (("compute", "processing_instance"), "ml.r5.large", True, False),
        (("deploy", "instance_type"), "ml.m5d.large", True, True),
        (("deploy", "instance_type"), "ml.m5d.large", False, False),
    ],
)
def test_an_instance_whose_disks_take_no_key_gets_none(
    tmp_path: Path, path: tuple[str, str], instance: str, has_key: bool, is_refused: bool
) -> None:
    content = changed(path, instance)
    content["environments"]["prod"] |= {"kms_key_arn": KEY} if has_key else {}
    read = load(tmp_path, content)
    assert read.environment()  # this machine has no disks to encrypt
    if is_refused:
        with pytest.raises(
            SettingsError, match=f"without local disks.*got '{instance}'"
        ) as refused:
            read.account_environment("prod")
        assert refused.value.path == path
    else:
        assert read.account_environment("prod")


def test_sagemakers_families_with_disks_of_their_own() -> None:
    """A family that is new in SageMaker's model is to be looked up, and put here or left out."""
    shapes = ("TrainingInstanceType", "ProcessingInstanceType", "TransformInstanceType",
              "ProductionVariantInstanceType")  # fmt: skip
    types = {kind for shape in shapes for kind in service.model().shape_for(shape).enum}
    assert {kind.split(".")[1] for kind in types if re.fullmatch(LOCAL_DISKS, kind)} == {
        "c5d", "c6gd", "dl1", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "m6gd", "p3dn",
        "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200", "r5d", "r6gd",
        "r7gd", "trn1", "trn1n", "trn2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ({"Instances": -1}, ["parameter Instances: expected 1 to 100, got -1"]),
        ({"Instances": 0}, ["parameter Instances: expected 1 to 100, got 0"]),
        ({"Instances": 100}, []),
        ({"Kind": ""}, ["parameter Kind: expected ml."]),
        ({"Kind": "ml.m5.large", "Instances": 101}, ["parameter Instances: expected 1 to 100"]),
        ({"Unused": 7}, []),
    ],
)
def test_values_of_parameters_are_those_that_sagemaker_takes(
    values: dict[str, Any], sentences: list[str]
) -> None:
    cluster = {"InstanceCount": {"Get": "Parameters.Instances"}, "VolumeSizeInGB": 1,
               "InstanceType": {"Get": "Parameters.Kind"}}  # fmt: skip
    step = {"Name": "Read", "Type": "Processing",
            "Arguments": {"ProcessingResources": {"ClusterConfig": cluster}}}  # fmt: skip
    declared = [{"Name": "Instances", "Type": "Integer", "DefaultValue": 1},
                {"Name": "Kind", "Type": "String"},
                {"Name": "Unused", "Type": "Integer"}]  # fmt: skip
    found = check_values({"Parameters": declared, "Steps": [step]}, values)
    assert len(found) == len(sentences)
    for sentence, said in zip(sentences, found, strict=True):
        assert said.startswith(sentence)
