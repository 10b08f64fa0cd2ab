"""The report's parts on a language model: whatever a reply says, it is text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, cast

import numpy as np
import pytest

import reports
import word_attributions
from comparisons import Store, of
from conversations import Conversation
from dataset import Split, Texts
from distinct_prompts import DistinctPrompts
from judged import ASKED, JUDGE, Hangs, columns, right
from judged_replies import Replies
from ninesteps.audit import copied
from ninesteps.audit.known import known
from ninesteps.audit.privacy import Copies
from ninesteps.audit.subject import Subject
from ninesteps.model_card.content import Card
from ninesteps.model_card.schema import as_text
from ninesteps.report.bias_charts import LEAST_SHOWN
from ninesteps.report.comparison.compare import compare
from ninesteps.report.comparison.model import Comparison
from ninesteps.report.evidence import collect
from ninesteps.report.page import Report, build
from ninesteps.report.panels import panels
from ninesteps.report.reading import Reading
from ninesteps.settings.model_card import Statements
from ninesteps.terminal.comparison import lines
from reply_evaluation import ReplyEvaluation
from test_model_card import registered_facts, version

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e"
FACETS = [{"key": name, "column": name} for name in ("language", "region")]
LOSSES = [
    {"epoch": 0, "train": None, "validation": 1.284},
    {"epoch": 1, "train": 1.05, "validation": 0.78},
    {"epoch": 2, "train": 0.66, "validation": 0.391},
    {"epoch": 3, "train": 0.42, "validation": 0.402},
]


def evaluated(new: Mapping[str, str], old: Mapping[str, str]) -> ReplyEvaluation:
    """Forty conversations on eight subjects, judged."""
    asked = [
        Conversation(f"c{n}-{k}", ({"role": "user", "content": f"{prompt} Case {k}"},), reply)
        for k in range(5) for n, (prompt, reply) in enumerate(ASKED)
    ]  # fmt: skip

    def replies(said: Mapping[str, str]) -> Replies:
        own = [said[ASKED[n % 8][0]] for n in range(40)]
        refusing = [said[prompt] for prompt in JUDGE.must_refuse]
        return Replies(own, refusing, Hangs().losses(asked))

    languages, regions = (
        (["en", "no"][n % 2] for n in range(40)),
        (["north", None][n > 33] for n in range(40)),
    )
    context = {"language": Texts.of(languages), "region": Texts.of(regions)}
    labels = np.array([float(n % 4 > 0) for n in range(40)])
    test = Split(
        columns(), [one.id for one in asked], labels, context, np.zeros((40, 0), np.float32)
    )
    return ReplyEvaluation(test, DistinctPrompts.of(asked), JUDGE, 1, replies(new), replies(old))


NEW = right() | {"Where is the gym?": HOSTILE, "When is payday?": "Write to ana@example.com",
                 "Whose wage is highest?": "It is Ana's."}  # fmt: skip
OLD = right() | {"Who signs my expenses?": "Nobody does.", "May I work from abroad?": "No."}


def files(evaluation: ReplyEvaluation, *, lost: str = "") -> reports.Files:
    """What the steps leave of it."""
    content: dict[str, Any] = {
        **evaluation.content(),
        "algorithm": "lora", "objective": {"validation:loss": 0.391}, "backend": "numpy",
        "training": {"losses": LOSSES, "kept_epoch": 2, "base_sha256": "1" * 64, "tokens": 9_000,
                     "parameters": 850_000, "trained_parameters": 140_000},
        "model_sha256": "0" * 64,
        "incumbent": {"what": "base", "sha256": "1" * 64, "uri": "s3://bucket/base",
                      **evaluation.judged(evaluation.contest.incumbent)},
        "champion": {"outcome": "none serves", "says": "no version serves"},
    }  # fmt: skip
    asked = [evaluation.prompts.conversations[row] for row in evaluation.prompts.firsts()]
    found = word_attributions.attributed(Hangs(), asked)
    summary = word_attributions.summary(found, len(asked))
    analysis = {**reports.ANALYSIS, "explanations": {"word_attributions": summary}}
    told = {"label": "rating", "problem": "language_model", "favourable_label": 1,
            "label_threshold": None, "columns": [], "facets": FACETS}  # fmt: skip
    rated = {"groups": {"language": [reports.group("en"), reports.group("no")]}}
    written = reports.files(evaluation=content, analysis=analysis, columns=told, curves=None,
                            pretraining_bias={**reports.TRAINING_BIAS, **rated})  # fmt: skip
    place = f"{reports.ROOT}/Evaluate/evaluation"
    lines = "".join(json.dumps(line) + "\n" for line in evaluation.lines())
    explained = {"summary": summary, "conversations": word_attributions.local(found)}
    more = {"replies.jsonl": lines, "attributions.json": json.dumps(explained)}
    written.content.update(
        {f"{place}/{name}": text.encode() for name, text in more.items() if name != lost}
    )
    return written


GATE = {**reports.GATE, "LeftValue": {"Std:JsonGet": {
    "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.E"},
    "Path": "language_model_metrics.win_rate_low.value"}}, "RightValue": 0.5}  # fmt: skip


def page(evaluation: ReplyEvaluation, **more: Any) -> Report:
    facts = reports.facts(steps=reports.steps([GATE]))
    return build(facts, files(evaluation, **more))


@pytest.fixture(scope="module")
def whole() -> Report:
    return page(evaluated(NEW, OLD))


class Parts(HTMLParser):
    """The tags of a page, and the text of each of its sections."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.within = str(dict(attrs)["id"])

    def handle_data(self, data: str) -> None:
        self.sections[self.within] = self.sections.get(self.within, "") + data


def test_each_part_stands_and_none_of_a_tables_is_missed(whole: Report) -> None:
    parts = Parts(whole.html).sections
    assert "All metrics" in parts["quality"] and "win_rate_low" in parts["quality"]
    assert "against the base model" in parts["quality"]
    assert (
        "falls from 1.28 nats per token for the base model to 0.391 after epoch 2"
        in parts["quality"]
    )
    assert "The favourable outcome is to be answered well." in parts["bias"]
    assert "not explain why" in parts["explained"]
    assert "curves.json" not in whole.html and "is not in the format" not in whole.html


def test_wins_and_losses_stand_side_by_side(whole: Report) -> None:
    replies = Parts(whole.html).sections["replies"]
    before, lost = replies.split("Largest losses")
    assert "Your manager signs them in the portal." in before and "Nobody does." in before
    assert HOSTILE.removesuffix("\u202e") in lost  # as text: no tag of it is in the page
    assert "1 of 2 prompts were refused." in lost and "NOT REFUSED" in lost
    assert "Write to ana@example.com" in lost.split("Personal data")[1]
    assert "This model wins least often for language en" in replies
    assert "no value" not in replies  # six rows are too few to be shown


def test_no_reply_becomes_markup(whole: Report) -> None:
    tags = Parts(whole.html).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not [tag for tag, _ in tags if tag == "img"]
    assert "&lt;script&gt;alert(1)" in whole.html
    assert "\u202e" not in whole.html


def test_the_numbers_in_words_are_those_of_the_evaluation(whole: Report) -> None:
    evaluation = evaluated(NEW, OLD)
    judge, metrics = evaluation.content()["judge"], evaluation.contest.metrics
    says = Parts(whole.html).sections["quality"]
    decided = judge["wins"] + judge["losses"]
    assert f"Of {decided} prompts with a difference, this model's reply is closer to" in says
    assert f"{judge['wins']}: {metrics['win_rate']:.0%}".replace("%", " %") in says


def test_where_nothing_is_decided_the_page_says_so() -> None:
    same = page(evaluated(OLD, OLD))
    sections = Parts(same.html).sections
    assert (
        "No prompt shows a difference between this model and the base model" in sections["quality"]
    )
    assert "No prompt of any language shows a difference." in sections["replies"]


@pytest.mark.parametrize(("lost", "part"), [
    ("replies.jsonl", "replies"), ("attributions.json", "explained"),
])  # fmt: skip
def test_a_file_that_is_not_there_empties_its_part_alone(lost: str, part: str) -> None:
    sections = Parts(page(evaluated(NEW, OLD), lost=lost).html).sections
    assert f"Evaluate left no {lost} that can be read." in sections[part]
    assert "against the base model" in sections["quality"]


def test_no_audit_pack_has_a_conversation() -> None:
    facts = reports.facts(steps=reports.steps([GATE]))
    evidence = collect(facts, files(evaluated(NEW, OLD)))
    copy = copied.reading(facts, evidence, Copies.of(evidence))
    parts = {part.key: part for part in panels(copy)}
    assert "out of audit packs" in parts["replies"].absent
    assert "out of audit packs" in parts["explained"].groups[1].absent
    assert copy.evidence.replies.raw is None and copy.evidence.attributions.raw is None
    assert b"gym" in (evidence.replies.raw or b"")


def compared(new: ReplyEvaluation, **more: Any) -> Comparison:
    """The old replies as version 1, and others."""
    sides = [(evaluated(OLD, OLD), {}), (new, more)]
    facts = reports.facts(steps=reports.steps([GATE]))
    stores = [Store(files(made, **given).content) for made, given in sides]
    first, second = (of(f"version {n}", facts, store) for n, store in enumerate(stores, 1))
    return compare(first, second)


def test_two_models_are_compared_by_prompt_and_what_went_wrong_stands_first() -> None:
    found = compared(evaluated(NEW, OLD))
    replies = found.parts["replies"]
    lost, *_ = [row for row in replies.rows if row.how == "now wrong"]
    assert replies.rows[0].how == "now wrong" and lost in replies.different
    assert "From right to wrong: " in replies.says and "features" not in found.parts
    (payday,) = {row.second for row in replies.rows if row.prompt.startswith("When is payday?")}
    assert payday == "Write to ana@example.com"
    (gym, *_) = [row for row in replies.rows if row.prompt.startswith("Where is the gym?")]
    assert "\u202e" not in gym.second and "\\u202e" in gym.second  # at a terminal, too
    by_name = {row.name: row for row in found.metrics.rows}
    chrf = by_name["chrf"]
    assert chrf.interval and chrf.interval[0] < (chrf.difference or 0) < chrf.interval[1]
    assert by_name["loss"].interval is None
    text = "\n".join(lines(found))
    assert text.index("(now wrong)") < text.index("(now right)") and "Feature weights" not in text


def test_replies_that_are_gone_or_to_other_prompts_are_said_to_be() -> None:
    gone = compared(evaluated(NEW, OLD), lost="replies.jsonl")
    assert "left no replies.jsonl that can be read" in gone.parts["replies"].absent
    assert "no replies.jsonl" in gone.metrics.says


def test_a_pack_has_no_small_group_of_either_model_and_no_rare_word() -> None:
    facts = reports.facts(steps=reports.steps([GATE]))
    evidence = collect(facts, files(evaluated(NEW, OLD)))
    content = json.loads(evidence.analysis.raw or b"")
    told = content["explanations"]["word_attributions"]["words"]
    rare = {"word": "Rumpelstiltskin", "conversations": LEAST_SHOWN - 1, "mean_change": 9.0}
    content["explanations"]["word_attributions"]["words"] = [rare, *told]
    raw = json.dumps(content).encode()
    copies = Copies.of(evidence)
    kept = json.loads(copies.copy("analysis.json", raw))["explanations"]["word_attributions"]
    assert kept["words"] == [one for one in told if one["conversations"] >= LEAST_SHOWN]
    copies.small.add(("language", "no"))
    copy = json.loads(copies.copy("evaluation.json", evidence.evaluation.raw or b""))
    for numbers in (copy["bias_metrics"], copy["incumbent"]["bias_metrics"]):
        assert [group["value"] for group in numbers["groups"]["language"]] == ["en"]


def test_a_pack_says_what_is_true_of_a_language_model() -> None:
    facts = reports.facts(steps=reports.steps([GATE]))
    reading = Reading(facts, collect(facts, files(evaluated(NEW, OLD))))
    found = known(cast(Subject, None), reading, "of no table", Statements())
    assert found.texts["task"] == "reply to conversations"
    assert f"from a base model with SHA-256 {'1' * 64}" in found.texts["algorithm"]
    judge = evaluated(NEW, OLD).content()["judge"]
    assert f"{judge['wins']} replies are closer to a reference than those of the base " \
        f"model, and {judge['losses']} are less close" in found.texts["flagged"]  # fmt: skip
    assert "not features" in found.unknown["top_features"]


def test_a_card_tells_the_base_how_it_was_tuned_and_what_the_judge_cannot_say() -> None:
    facts = registered_facts()
    reading = Reading(facts, collect(facts, files(evaluated(NEW, OLD))))
    card = Card(version(), reading, Statements(), "language_model").content()
    as_text(card)  # SageMaker's schema
    assert card["model_overview"]["problem_type"] == "Text generation"
    told = card["training_details"]["training_observations"]
    assert f"with LoRA from the base model with SHA-256 {'1' * 64}" in told and "by numpy" in told
    assert "Epoch 2 of 3 was kept" in told and "0.3910, the base's 1.284" in told
    assert "For open chat" in told
    (words,) = [part for part in card["evaluation_details"] if "Words" in part["name"]]
    assert "not explain why" in words["evaluation_observation"]


def test_a_table_has_no_part_on_replies() -> None:
    html = build(reports.facts(), reports.files()).html
    assert 'id="replies"' not in html and "replies.jsonl" not in html
