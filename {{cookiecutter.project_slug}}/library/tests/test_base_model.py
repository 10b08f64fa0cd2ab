"""A base model in S3: what a run on this machine asks for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.local.storage import Storage
from ninesteps.settings import loading
from ninesteps.step_code import base_model

ROOT = Path(__file__).resolve().parents[2]


def test_a_base_in_s3_has_to_be_copied_to_this_machine_before_a_run(tmp_path: Path) -> None:
    settings = loading.load(ROOT)
    base_model.check_is_here(settings, Storage(tmp_path).path)  # a table needs none
    model = dataclasses.replace(settings.model, base="s3://weights/llama")
    settings = dataclasses.replace(settings, model=model)
    assert base_model.uri(settings, settings.environment()) == "s3://weights/llama"
    assert base_model.objects(settings, settings.environment()) == {}
    folder = tmp_path / "weights" / "llama"
    folder.mkdir(parents=True)
    for name in base_model.NEEDED[1:]:
        (folder / name).write_bytes(b"{}")
    with pytest.raises(SettingsError, match=r"found no config.json: .* s3://weights/llama there"):
        base_model.check_is_here(settings, Storage(tmp_path).path)
    (folder / "config.json").write_bytes(b"{}")
    base_model.check_is_here(settings, Storage(tmp_path).path)
