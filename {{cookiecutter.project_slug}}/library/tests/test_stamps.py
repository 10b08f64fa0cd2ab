"""The stamps of a version: what they say, and that SageMaker takes them as metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninesteps.definition.metadata import fitting
from ninesteps.profiles import profile as profiles
from ninesteps.sdk import build
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle
from ninesteps.step_code.own_code import own_code, summary
from ninesteps.validation import service
from pets import changed
from pets import settings as pet_settings

SHAPE = service.request("RegisterModel").members["CustomerMetadataProperties"]
"""What SageMaker takes, by its own model within botocore."""


def mismatches(metadata: dict[str, str]) -> Iterator[str]:
    """What SageMaker would not take."""
    if not SHAPE.metadata["min"] <= len(metadata) <= SHAPE.metadata["max"]:
        yield f"{len(metadata)} entries"
    for key, value in metadata.items():
        for text, shape in ((key, SHAPE.key), (value, SHAPE.value)):
            is_long = shape.metadata["min"] <= len(text) <= shape.metadata["max"]
            if not is_long or not service.matches(shape.metadata["pattern"], text):
                yield f"{key}: {text!r}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A repository without a module of its own."""
    (tmp_path / bundle.STEPS).mkdir(parents=True)
    return replace(pet_settings(), root=tmp_path)


def override(settings: Settings, *names: str) -> None:
    for name in names:
        (settings.root / bundle.STEPS / name).write_text(f"# {name}\n", encoding="utf-8")


def test_the_model_of_botocore_refuses_what_it_should() -> None:
    assert (SHAPE.metadata["max"], SHAPE.value.metadata["max"]) == (50, 256)
    for bad in ("a, b", "", "x" * 257, "a>b", "a#b"):
        assert list(mismatches({"key": bad})), bad
    assert not list(mismatches({"key": "1.4.0+g3f2a91c0 / a_b.py"}))


@pytest.mark.parametrize("name", profiles.names())
@pytest.mark.parametrize("version", ["1.4.0", "1.4.0+g3f2a91c0"])
def test_the_stamps_of_every_profile_and_version_are_taken(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    monkeypatch.setattr(build, "VERSION", version)
    stamps = build.stamps(changed(settings, project={"profile": name}))
    assert stamps == {
        "profile": name, "profile_sha256": profiles.digest(name), "library": version,
    }  # fmt: skip
    assert not list(mismatches(stamps))


@pytest.mark.parametrize("count", range(1, len(bundle.modules()) + 1))
def test_overridden_modules_are_named_whole_as_many_as_fit(settings: Settings, count: int) -> None:
    names = sorted(bundle.modules(), key=len, reverse=True)[:count]
    override(settings, *names, "features_of_our_own.py")
    stamps = build.stamps(settings)
    assert not list(mismatches(stamps))
    digests = own_code(settings.root)
    assert stamps["overridden_sha256"] == summary(digests)
    *shown, last = stamps["overridden"].split(" / ")
    more = re.fullmatch(r"and (\d+) more", last)
    whole = shown if more else [*shown, last]
    assert whole == [f"{n} {digest[:16]}" for n, digest in list(digests.items())[: len(whole)]]
    assert len(whole) + (int(more[1]) if more else 0) == count + 1
    assert more is None or len(stamps["overridden"]) > 200


def test_names_that_fit_nowhere_are_counted() -> None:
    assert fitting(["x" * 300, "y"]) == "and 2 more"
    assert fitting(["x" * 256]) == "x" * 256
    assert fitting(["x" * 127, "y" * 126]) == f"{'x' * 127} / {'y' * 126}"
    assert fitting(["x" * 127, "y" * 127]) == f"{'x' * 127} / and 1 more"


def test_what_a_version_gets_in_its_life_fits_with_the_stamps(settings: Settings) -> None:
    """The pipeline's own, the evidence, the golden requests, both decisions and the rollout."""
    override(settings, *bundle.modules())
    entries = dict(build.stamps(settings))
    entries |= dict.fromkeys(
        (
            "gate",
            "gate_sha256",
            "as_of",
            "execution",
            "analysis_config",
            "test_split",
            "predictions",
        ),
        "x",
    )
    for file in ("evaluation", "analysis", "analysis_config", "model", "golden"):
        entries |= {f"{file}_version_id": "x", f"{file}_sha256": "x"}
    for decision in ("approved", "rejected"):
        entries |= {f"{decision}_{key}": "x" for key in ("by", "name", "why", "at")}
    notes = ("golden_uri", "evidence_recorded_at", "rollout", "rollout_at", "rollout_execution")
    entries |= dict.fromkeys(notes, "x")
    assert len(entries) <= 40  # of 50
    assert not list(mismatches(entries))


def test_no_metadata_of_a_teams_own_says_otherwise_than_the_stamps(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(build.sdk, "package", lambda *_, **request: sent.update(request))
    made = build.Build.of(settings, settings.environment())
    made.package({}, (), {}, {"profile": "custom2", "gate": "none", "note": "x"})
    assert sent["metadata"].items() >= build.stamps(settings).items()
    assert sent["metadata"]["gate"] == "auc gt 0.5"
    assert list(sent["metadata"])[-1] == "note"
