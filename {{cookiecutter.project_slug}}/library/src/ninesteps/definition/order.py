"""The order of steps: what runs before a step, and that there is no circle."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ninesteps.errors import DefinitionError

Waiting = Mapping[str, Collection[str]]
"""For each step, the steps that it waits for."""


def steps_before(step: str, waits_for: Waiting) -> set[str]:
    """The steps that must have ended before a step starts, directly or indirectly; in a circle,
    also itself."""
    before: set[str] = set()
    new = set(waits_for[step])
    while new:
        before |= new
        new = {name for other in new for name in waits_for.get(other, ())} - before
    return before


def check_order(waits_for: Waiting) -> None:
    """Check that steps wait for existing steps, and not for each other in a circle.

    Raises:
        DefinitionError: naming the steps.
    """
    for step, others in waits_for.items():
        for name in sorted(others):
            if name not in waits_for:
                raise DefinitionError(f"step {step} waits for {name}, which does not exist")
    done: set[str] = set()
    while len(done) < len(waits_for):
        ready = {
            name for name in waits_for if name not in done and done.issuperset(waits_for[name])
        }
        if not ready:
            circle = ", ".join(_circle(waits_for, waits_for.keys() - done))
            raise DefinitionError(f"these steps wait for each other in a circle: {circle}")
        done |= ready


def _circle(waits_for: Waiting, stuck: set[str]) -> list[str]:
    """A circle among steps that wait for each other."""
    path = [min(stuck)]
    while (following := min(stuck.intersection(waits_for[path[-1]]))) not in path:
        path.append(following)
    return path[path.index(following) :]
