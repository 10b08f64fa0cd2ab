"""The lineage of a version as a pack has it: without folders of a machine, and without names.

Who decided on the version is named; who started a run, and who decided on other versions, is not.
"""

from __future__ import annotations

from dataclasses import replace

from ninesteps.audit.privacy import last_name
from ninesteps.audit.subject import Subject
from ninesteps.errors import NineStepsError
from ninesteps.lineage import roles
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.report.evidence import Absent

_STARTED_BY = "started by"


def graph(subject: Subject) -> Graph:
    """The graph of a version.

    Raises:
        Absent: if there is none.
    """
    if subject.local is None:
        raise Absent("the lineage of an account's version is in SageMaker ML Lineage Tracking")
    from ninesteps.lineage.local import graph_of_version

    try:
        whole = graph_of_version(subject.local, subject.settings, subject.version.number)
    except NineStepsError as error:
        raise Absent(str(error)) from None
    kept = {id_: _entity(e) for id_, e in whole.entities.items() if not _is_of_others(subject, e)}
    return Graph(kept, whole.associations).only(kept)


def _is_of_others(subject: Subject, entity: Entity) -> bool:
    number = str(subject.version.number)
    return entity.role == roles.APPROVAL and entity.properties.get("version") != number


def _entity(entity: Entity) -> Entity:
    properties = {name: text for name, text in entity.properties.items() if name != _STARTED_BY}
    return replace(entity, uri=last_name(entity.uri), properties=properties)
