"""Step 3's script: evaluates the best model's replies to the test split against the incumbent's.

Both reply through the `inference.py` of their archives, the code that serves. The gate's numbers
are in `evaluation.json`; the replies and word attributions are in files for people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import language_model
import word_attributions
from asked_replies import ask_unseen
from champion import SECTION, Champion, Term
from container import input_path, output_path, read_json, write_json
from dataset import read_split
from distinct_prompts import DistinctPrompts
from incumbent import BASE, Incumbent
from judge import Judge
from judged_replies import Replies, user
from model_backend import LanguageModel
from reply_evaluation import ReplyEvaluation, write_lines
from served_model import ServedModel

DESCRIPTION = "code/model.json"
TRAINED = ("losses", "kept_epoch", "tokens", "parameters", "trained_parameters", "base_sha256")


def main(arguments: Sequence[str]) -> None:
    """Get both models' replies, judge them, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--min-group-size", type=int, required=True)
    parser.add_argument("--champion", action="append", default=[], type=Term.read)
    parser.add_argument("--local-explanations", choices=("yes", "no"), required=True)
    options = parser.parse_args(arguments)
    folder, judge = input_path("test"), Judge.read(input_path("suite"))
    model = ServedModel.unpack(input_path("model") / "model.tar.gz")
    champion = Champion.read(input_path("champion"), folder, options.champion, is_asked=True)
    incumbent = Incumbent.of(champion, input_path("base"), model)
    asked = {"challenger": model, "incumbent": incumbent.model}
    must_refuse = [(user(prompt),) for prompt in judge.must_refuse]
    test, replies = ask_unseen(asked, folder, must_refuse)
    models = {name: loaded(one.folder) for name, one in asked.items()}
    evaluation = ReplyEvaluation(
        read_split(folder, "test"),
        DistinctPrompts.of(test),
        judge,
        options.min_group_size,
        **{
            name: Replies(said[: len(test)], said[len(test) :], models[name].losses(test))
            for name, said in replies.items()
        },
    )
    content = {
        **evaluation.content(),
        **description(model.folder),
        "backend": models["challenger"].name,
        "model_sha256": model.sha256,
        "incumbent": {**incumbent.as_json(), **evaluation.judged(evaluation.contest.incumbent)},
    }
    content[SECTION] = compared(champion, incumbent, evaluation, content)
    result = output_path("evaluation")
    write_json(result / "evaluation.json", content)
    write_lines(result / "replies.jsonl", evaluation.lines())
    write_lines(result / "answers.jsonl", evaluation.answers())
    explained = attributions(
        models["challenger"], evaluation.prompts, in_full=options.local_explanations == "yes"
    )
    write_json(result / "attributions.json", explained)


def loaded(folder: Path) -> LanguageModel:
    """The model of an unpacked archive, with the context that it serves with."""
    hyperparameters = read_json(folder / DESCRIPTION)["hyperparameters"]
    return language_model.load(folder, context=int(hyperparameters["max_tokens"]))


def description(folder: Path) -> dict[str, Any]:
    """The archive's description of its training."""
    said = read_json(folder / DESCRIPTION)
    return {
        "algorithm": said["algorithm"],
        "objective": {said["objective"]: said["value"]},
        "training": {name: said[name] for name in TRAINED},
    }


def compared(
    champion: Champion, incumbent: Incumbent, evaluation: ReplyEvaluation, content: dict[str, Any]
) -> dict[str, Any]:
    """The champion's section: for approvals, and for the differences that a gate names."""
    replies = {champion.sha256: evaluation.contest.incumbent}
    section = champion.section(content, replies, evaluation.judged, evaluation.pair)
    if incumbent.what == BASE:
        section["says"] += "; replies are compared with those of the base"
    return section


def attributions(
    model: LanguageModel, prompts: DistinctPrompts, *, in_full: bool
) -> dict[str, Any]:
    """The attributions of words: a summary, and conversation by conversation."""
    asked = [prompts.conversations[row] for row in prompts.firsts()]
    found = word_attributions.attributed(model, asked)
    short = {"summary": word_attributions.summary(found, len(prompts))}
    return {**short, "conversations": word_attributions.local(found)} if in_full else short


if __name__ == "__main__":
    main(sys.argv[1:])
