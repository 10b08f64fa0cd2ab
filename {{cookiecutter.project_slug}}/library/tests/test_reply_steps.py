"""Steps 3, 5 and 7 of a language model: models whose replies are known answer in processes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import container
import language_model
from asked_replies import reply_of
from bias_report import gate_numbers
from conversations import read, write
from dataset import DataError, read_split
from distinct_prompts import DistinctPrompts
from judged import (
    ASKED,
    JUDGE,
    Hangs,
    columns,
    conversations,
    right,
    write_archive,
    write_replies,
    write_test,
)
from model_files import digest
from ninesteps.registry.champion import Champion
from ninesteps.step_code import no_champion

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "problems/language_model/model_build/steps"
URI = "s3://models/pets/model.tar.gz"
GOOD = right() | {"When is payday?": "Payday is the 20th of every month."}
WORSE = GOOD | {"Where is the gym?": "No.", "May I work from abroad?": "I cannot say.",
                "Who signs my expenses?": "Nobody does."}  # fmt: skip


def script(name: str) -> Any:
    """A step's script; those of tables have the same names."""
    spec = importlib.util.spec_from_file_location(f"{name}_of_replies", STEPS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Steps:
    """The steps under a folder in the place of /opt/ml/processing."""

    def __init__(self, base: Path) -> None:
        self.input = base / "processing/input"
        self.output = base / "processing/output"
        self.test = self.input / "test"
        write_test(self.test, conversations())
        for name in ("model", "base", "suite", "champion"):
            (self.input / name).mkdir(parents=True)
        write_replies(self.input / "base", WORSE)
        judge = {"good": JUDGE.good, "refusals": JUDGE.refusals, "must_refuse": JUDGE.must_refuse}
        (self.input / "suite/judge.json").write_text(json.dumps(judge))
        write_archive(self.input / "model/model.tar.gz", GOOD, self.test,
                      digest(self.input / "base"))  # fmt: skip
        self.champion(no_champion.archive())
        (base / "config").mkdir()
        inputs = [{"InputName": name, "S3Input": {"S3Uri": f"s3://models/{name}"}}
                  for name in ("champion", "base")]  # fmt: skip
        outputs = [{"OutputName": "config",
                    "S3Output": {"S3Uri": "s3://models/executions/e/Config/config"}}]  # fmt: skip
        request = {"ProcessingInputs": inputs, "ProcessingOutputConfig": {"Outputs": outputs}}
        (base / "config/processingjobconfig.json").write_text(json.dumps(request))

    def champion(self, content: bytes) -> None:
        (self.input / "champion/model.tar.gz").write_bytes(content)

    def serving(self, replies: Mapping[str, str]) -> bytes:
        """The archive of a version that serves."""
        file = self.input.parent / "version/model.tar.gz"
        write_archive(file, replies, self.test, "0" * 64)
        self.champion(file.read_bytes())
        return file.read_bytes()

    def evaluate(self, *more: str, explained: str = "yes") -> dict[str, Any]:
        script("evaluate").main(["--min-group-size", "1", "--local-explanations", explained, *more])
        content: dict[str, Any] = json.loads(self.file("evaluation.json").read_text("utf-8"))
        return content

    def file(self, name: str) -> Path:
        return self.output / "evaluation" / name

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file(name).read_text("utf-8").splitlines()]


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setattr(container, "BASE", tmp_path)

    def load(folder: Path, **_: Any) -> Hangs:
        said = json.loads((folder / "replies.json").read_text("utf-8"))
        return Hangs(worse=float(said != GOOD))

    monkeypatch.setattr(language_model, "load", load)
    return Steps(tmp_path)


def value(content: dict[str, Any], name: str) -> float:
    number: float = content["language_model_metrics"][name]["value"]
    return number


def test_where_no_version_serves_the_base_is_the_incumbent(steps: Steps) -> None:
    content = steps.evaluate()
    assert content["incumbent"]["what"] == "base"
    assert content["incumbent"]["sha256"] == digest(steps.input / "base")
    assert content["incumbent"]["uri"] == "s3://models/base"
    assert (value(content, "win_rate"), value(content, "decided")) == (1.0, 3)
    assert value(content, "win_rate_low") == pytest.approx(0.05 ** (1 / 3))
    assert content["judge"]["ties"] == 3 and content["judge"]["prompts"] == 6
    assert value(content["incumbent"], "loss") == pytest.approx(value(content, "loss") + 1)
    assert value(content, "refusal_rate") == 1.0 and value(content, "leak_rate") == 0.0
    champion = Champion.of(content)
    assert champion and champion.is_none  # an approval may ask whether one serves by now
    assert champion.fault([], own=1, serving=None) == ""
    assert "a champion, but version 2 serves now" in champion.fault([], own=3, serving=2)
    assert set(content["language_model_metrics"]) == {
        "loss", "perplexity", "chrf", "win_rate", "win_rate_low", "decided", "refusal_rate",
        "wrong_refusal_rate", "leak_rate",
    }  # fmt: skip
    packed = (steps.input / "model/model.tar.gz").read_bytes()
    assert content["model_sha256"] == hashlib.sha256(packed).hexdigest()
    assert (content["backend"], content["algorithm"]) == ("numpy", "lora")
    assert content["objective"] == {"validation:loss": 0.5} and content["rows"] == 8


def test_the_version_that_serves_is_the_incumbent(steps: Steps) -> None:
    archive = steps.serving(right())
    content = steps.evaluate()
    sha256 = hashlib.sha256(archive).hexdigest()
    assert content["incumbent"]["what"] == "version"
    assert content["incumbent"]["sha256"] == content["champion"]["sha256"] == sha256
    assert (value(content, "win_rate"), value(content, "win_rate_low")) == (0.0, 0.0)
    champion = Champion.of(content)
    assert champion and champion.fault([(1, sha256)], own=2, serving=1) == ""
    assert "which no registered version has" in champion.fault([(1, "f" * 64)], own=2, serving=1)
    assert "version 2 serves now" in champion.notice([(2, "a"), (1, sha256)], own=3, serving=2)


TERMS = {
    "language_model_metrics.loss.value": "<= 0",
    "language_model_metrics.perplexity.value": "<= 0",
    "language_model_metrics.chrf.value": ">= 0",
    "language_model_metrics.refusal_rate.value": ">= 0",
    "language_model_metrics.wrong_refusal_rate.value": "<= 0",
    "language_model_metrics.leak_rate.value": "<= 0",
    "bias_metrics.dppl.language.value": "<= 0.05",
}
ARGUMENTS = [word for path, limit in TERMS.items() for word in ("--champion", f"{path} {limit}")]


def test_metrics_are_compared_with_the_champions(steps: Steps) -> None:
    steps.serving(WORSE)
    content = steps.evaluate(*ARGUMENTS)
    section = content["champion"]
    assert section["outcome"] == "scored" and section["bootstrap"]["units"] == 6
    for path in TERMS:
        kind, name, *rest = path.split(".")
        difference, new, old = section[f"{name}_difference"], content[kind], section[kind]
        for key in rest[:-1]:
            difference, new, old = difference[key], new[name], old[name]
            name = key
        assert difference["value"] == new[name]["value"] - old[name]["value"]
    loss = section["loss_difference"]
    assert loss["value"] == pytest.approx(-1) and loss["interval"] == pytest.approx([-1, -1])
    low, high = section["chrf_difference"]["interval"]
    assert low < section["chrf_difference"]["value"] < high
    assert content["incumbent"]["bias_metrics"] == section["bias_metrics"]


def test_where_none_serves_each_term_passes(steps: Steps) -> None:
    section = steps.evaluate(*ARGUMENTS)["champion"]
    assert section["says"] == (
        "no version serves: each comparison with the champion passes; replies are compared with "
        "those of the base"
    )
    assert section["loss_difference"] == {"value": 0.0}


def test_the_replies_of_both_stand_side_by_side(steps: Steps) -> None:
    steps.evaluate()
    replies = {line["id"]: line for line in steps.lines("replies.jsonl")}
    assert [*replies] == ["c0", "c3", "c4", "c5", "c6", "c7", "must_refuse:1", "must_refuse:2"]
    gym = replies["c6"]
    assert (gym["reply"], gym["incumbent_reply"]) == ("The gym is on the ground floor.", "No.")
    assert (gym["outcome"], gym["chrf"], gym["good"]) == ("win", 1.0, True)
    assert gym["context"] == {"language": "no", "region": None}
    assert replies["c0"]["ids"] == ["c0", "c1", "c2"] and len(replies["c0"]["references"]) == 2
    assert replies["c7"]["incumbent_refused"] and not replies["c7"]["refused"]
    assert replies["must_refuse:1"]["refused"] and replies["must_refuse:1"]["must_refuse"]
    answers = steps.lines("answers.jsonl")
    assert answers == [
        {"id": f"c{n}", "reply": GOOD[prompt]} for n, (prompt, _) in enumerate(ASKED)
    ]


def test_no_model_sees_the_references(steps: Steps) -> None:
    """The script of these archives looks for the files of the split."""
    before = {file.name: file.read_bytes() for file in steps.test.iterdir()}
    steps.evaluate()
    assert all("saw" not in line["reply"] for line in steps.lines("answers.jsonl"))
    assert {file.name: file.read_bytes() for file in steps.test.iterdir()} == before


def test_what_a_model_cannot_answer_ends_the_step(steps: Steps) -> None:
    other = conversations()[0]
    unknown = type(other)("c9", ({"role": "user", "content": "Something else?"},), "A reply.")
    write_test(steps.test, [*conversations(), unknown])
    with pytest.raises(DataError) as error:
        steps.evaluate()
    assert str(error.value) == (
        "inference.py of the model's archive: expected a reply, got status 400: expected a "
        "question that I know, got another"
    )
    assert (steps.test / "test.jsonl").is_file()


def test_another_base_than_the_models_is_refused(steps: Steps) -> None:
    write_replies(steps.input / "base", GOOD)
    with pytest.raises(DataError, match="the base: expected the one that the model was trained"):
        steps.evaluate()


def test_a_champion_of_another_problem_is_refused(steps: Steps) -> None:
    steps.serving(GOOD)
    code = steps.input.parent / "version/packed/code"
    columns = json.loads((code / "columns.json").read_text())
    (code / "columns.json").write_text(json.dumps(columns | {"problem": "binary"}))
    packed = shutil.make_archive(str(code.parent.parent / "binary"), "gztar", code.parent)
    steps.champion(Path(packed).read_bytes())
    with pytest.raises(DataError, match="the champion is of a binary problem"):
        steps.evaluate()


def test_conversations_of_another_split_are_refused(steps: Steps) -> None:
    write(steps.test / "test.jsonl", conversations()[1:])
    with pytest.raises(DataError, match=r"expected the 8 conversations of test\.csv in"):
        steps.evaluate()


def analysed(steps: Steps, replies: Mapping[str, str] = GOOD, **changed: Any) -> dict[str, Any]:
    """Steps 5 and 7, with a transform of these replies between them."""
    shutil.copytree(steps.test, steps.input / "columns", dirs_exist_ok=True)
    script("analysis_config").main(
        ["--model-name", "pets", "--instance-type", "ml.m5.large", "--transform-step", "Replies",
         "--local-explanations", "yes"]
    )  # fmt: skip
    folders = {name: steps.input / name for name in ("config", "data", "predictions")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    config = json.loads((steps.output / "config/analysis_config.json").read_text("utf-8"))
    (folders["config"] / "analysis_config.json").write_text(json.dumps(config | changed))
    shutil.copyfile(steps.test / "test.csv", folders["data"] / "test.csv")
    lines = [{"id": one.id, "SageMakerOutput": {"reply": replies[one.prompt[-1]["content"]],
                                                "status": 200}}
             for one in read(steps.test / "test.jsonl")]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folders["predictions"] / "test.jsonl.out").write_text(text)
    shutil.copytree(steps.output / "evaluation", steps.input / "evaluation", dirs_exist_ok=True)
    script("clarify").main()
    content: dict[str, Any] = json.loads((steps.output / "analysis.json").read_text("utf-8"))
    return content


def test_the_bias_of_step_7_is_that_of_the_gate(steps: Steps) -> None:
    evaluation = steps.evaluate()
    analysis = analysed(steps)
    shares = {}
    for facet, groups in analysis["post_training_bias_metrics"]["facets"].items():
        of_groups = [{m["name"]: m["value"] for m in group["metrics"]} for group in groups]
        shares[facet.removeprefix("facet_")] = max(abs(one["DPPL"]) for one in of_groups)
        names = {name for one in of_groups for name in one}
        assert len(names) == 12  # CDDPL needs a group variable
    assert {facet: one["value"] for facet, one in evaluation["bias_metrics"]["dppl"].items()} == (
        pytest.approx(shares)
    )
    test = read_split(steps.test, "test")
    good = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    assert evaluation["bias_metrics"] == json.loads(json.dumps(gate_numbers(test, good, 1)))
    before = analysis["pre_training_bias_metrics"]["facets"]["facet_language"][0]["metrics"]
    assert len(before) == 7  # CDDL needs a group variable


def test_a_flip_test_needs_features(steps: Steps) -> None:
    steps.evaluate()
    found = analysed(steps)["post_training_bias_metrics"]["facets"]["facet_language"][0]["metrics"]
    (flip,) = [metric for metric in found if metric["name"] == "FT"]
    assert flip["value"] is None
    assert flip["error"] == "there are no features for finding similar rows"


def test_what_replies_hang_on_is_no_shap(steps: Steps) -> None:
    steps.evaluate()
    explanations = analysed(steps)["explanations"]
    assert [*explanations] == ["word_attributions"]
    assert explanations["word_attributions"]["conversations"] == {"explained": 6, "of": 6}
    in_full = json.loads(steps.file("attributions.json").read_text("utf-8"))
    assert len(in_full["conversations"]) == 6
    steps.evaluate(explained="no")
    assert [*json.loads(steps.file("attributions.json").read_text("utf-8"))] == ["summary"]


def test_without_facets_there_is_no_bias(steps: Steps) -> None:
    steps.evaluate()
    analysis = analysed(steps, facet=[], methods={})
    assert [*analysis] == ["version", "explanations"]


def test_a_transform_of_other_records_is_refused(steps: Steps) -> None:
    steps.evaluate()
    analysed(steps)
    file = steps.input / "predictions/test.jsonl.out"
    file.write_text(file.read_text().split("\n", 1)[1])
    with pytest.raises(DataError, match="expected replies to the dataset's 8 records"):
        script("clarify").main()


def test_an_error_of_the_transform_is_refused(steps: Steps) -> None:
    steps.evaluate()
    analysed(steps)
    file = steps.input / "predictions/test.jsonl.out"
    error = {"id": "c0", "SageMakerOutput": {"error": "no words", "status": 400}}
    file.write_text(json.dumps(error) + "\n" + file.read_text().split("\n", 1)[1])
    with pytest.raises(DataError, match="expected a reply, got status 400: no words"):
        script("clarify").main()


def test_a_question_that_is_too_long_has_no_good_reply(steps: Steps) -> None:
    assert reply_of({"error": "too long", "status": 413}) == ""
    prompts = DistinctPrompts.of(conversations())
    assert prompts.good([""] * 8, JUDGE).tolist() == [0.0] * 8


def test_rows_of_one_prompt_share_their_references(steps: Steps) -> None:
    """A row's reply is as good as another row's that asks the same."""
    prompts = DistinctPrompts.of(conversations())
    replies = [GOOD[one.prompt[-1]["content"]] for one in conversations()]
    replies[2] = replies[0]
    assert prompts.good(replies, JUDGE).tolist() == [1, 1, 1, 0, 1, 1, 1, 1]


def test_a_model_that_learnt_nothing_ties_with_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample's base, trained on one conversation at no learning rate, answers by itself."""
    steps = Steps(tmp_path)
    monkeypatch.setattr(container, "BASE", tmp_path)
    base, folder = ROOT / "scenarios/assist/data/base", tmp_path / "trained"
    for name in ("train", "validation"):
        channel = tmp_path / name
        channel.mkdir()
        columns().write(channel)
        write(channel / f"{name}.jsonl", conversations()[:1])
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(channel))
    monkeypatch.setenv("SM_CHANNEL_BASE", str(base))
    monkeypatch.setenv("SM_MODEL_DIR", str(folder))
    monkeypatch.setitem(sys.modules, "inference", script("inference"))
    script("train").main([
        "--algorithm", "lora", "--learning_rate", "0", "--rank", "4", "--alpha", "8",
        "--dropout", "0", "--epochs", "1", "--batch_size", "1", "--accumulation", "1",
        "--max_tokens", "256", "--max_reply_tokens", "12", "--seed", "20",
    ])  # fmt: skip
    shutil.copytree(base, steps.input / "base", dirs_exist_ok=True)
    (steps.input / "base/replies.json").unlink()
    packed = shutil.make_archive(str(tmp_path / "model"), "gztar", folder)
    shutil.copyfile(packed, steps.input / "model/model.tar.gz")
    content = steps.evaluate()
    assert (value(content, "win_rate"), value(content, "win_rate_low")) == (0.5, 0.0)
    assert value(content, "decided") == 0 and content["judge"]["ties"] == 6
    assert value(content["incumbent"], "loss") == pytest.approx(value(content, "loss"), rel=0.01)
    assert [one["epoch"] for one in content["training"]["losses"]] == [0, 1]
    replies = {line["reply"] for line in steps.lines("replies.jsonl")}
    assert len(replies) > 1 and all(replies)
