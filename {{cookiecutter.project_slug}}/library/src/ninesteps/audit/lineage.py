"""The lineage of a version for a pack: without a machine's folders, and without names.

Who decided on the version or deployed it is named; who started a run, and who decided on other
versions, is not.
"""

from __future__ import annotations

from dataclasses import astuple, replace

from ninesteps.audit.privacy import last_name
from ninesteps.audit.subject import Subject
from ninesteps.errors import NineStepsError
from ninesteps.lineage import roles
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.report.evidence import Absent

_PEOPLE = ("started by",)
_PATHS = ("raw table",)  # on the machine that made it
_DECIDED = ("decided_by", "reason")  # of a deployment
_BY = "by"  # who made an action of SageMaker's; of an approval, who decided


def graph(subject: Subject) -> Graph:
    """The graph of a version.

    Raises:
        Absent: if there is none.
    """
    try:
        whole, others = _here(subject) if subject.local else _in_account(subject)
    except NineStepsError as error:
        raise Absent(str(error)) from None
    own = str(subject.version.number)
    kept = {id_: _entity(e, own) for id_, e in whole.entities.items() if id_ not in others}
    return Graph(kept, whole.associations).only(kept)


def _here(subject: Subject) -> tuple[Graph, set[str]]:
    """The graph of this machine, and the ids of the decisions on other versions in it."""
    from ninesteps.lineage.local import graph_of_version

    assert subject.local is not None  # noqa: S101
    number = subject.version.number
    whole = graph_of_version(subject.local, subject.settings, number)
    return whole, {
        id_ for id_, entity in whole.entities.items()
        if entity.role == roles.APPROVAL and entity.properties.get("version") != str(number)
    }  # fmt: skip


def _in_account(subject: Subject) -> tuple[Graph, set[str]]:
    """The same for an account; a pack that is made again has the same order."""
    from ninesteps.infrastructure import account
    from ninesteps.lineage.account import client, graph_of_version

    registry = subject.account_registry
    features = subject.settings.features_of(registry.environment)
    with account.one_sentence():
        sagemaker = client(registry.session)
        found, own = graph_of_version(sagemaker, registry, subject.version, features)
    entities = dict(sorted(found.entities.items()))
    whole = Graph(entities, tuple(sorted(found.associations, key=astuple)))
    decided = {end for a in whole.associations if own in (a.source, a.destination)
               for end in (a.source, a.destination)}  # fmt: skip
    return whole, {
        id_ for id_, entity in entities.items()
        if entity.role == roles.APPROVAL and id_ not in decided
    }  # fmt: skip


def _entity(entity: Entity, own: str) -> Entity:
    """An entity as a pack has it; `own` is the number of the version."""
    people = _PEOPLE if entity.role == roles.APPROVAL else (*_PEOPLE, _BY)
    if entity.role == roles.DEPLOYMENT and entity.properties.get("version") != own:
        people = (*people, *_DECIDED)
    properties = {
        name: last_name(text) if name in _PATHS else text
        for name, text in entity.properties.items()
        if name not in people
    }
    return replace(entity, uri=last_name(entity.uri), properties=properties)
