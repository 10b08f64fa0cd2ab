"""The champion of a run on this machine: the archive of the version that the endpoint serves."""

from __future__ import annotations

from pathlib import Path

from ninesteps.local.endpoint import control
from ninesteps.local.state import State
from ninesteps.settings.settings import Settings
from ninesteps.step_code.no_champion import PARAMETER


def parameter(local: Path, settings: Settings) -> dict[str, str]:
    """The pipeline's parameter for the champion, by name.

    Empty if there is no comparison with a champion or no version serves: then the definition's
    default is used, an empty archive.
    """
    if not settings.has_champion:
        return {}
    number = control.serving(local)
    if number is None:
        return {}
    state = State(local / "state.db", read_only=True)
    packages = state.model_packages(settings.model_package_group, number)
    if not packages:  # the state was deleted since
        return {}
    container = packages[0].request["InferenceSpecification"]["Containers"][0]
    return {PARAMETER: str(container["ModelDataUrl"])}
