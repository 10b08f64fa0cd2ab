"""Boxes and arrows for the sections' diagrams, no wider than a phone's screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ninesteps.report import drawing as d

LINE = 15  # pixels, from a line of a box to the next


@dataclass(frozen=True)
class Box:
    """A rectangle with a name and, below it, lines of text."""

    x: float
    y: float
    width: float
    name: str
    says: Sequence[str] = ()
    kind: str = ""  # good, bad, store, person or absent

    @property
    def height(self) -> float:
        """Its height, for the number of its lines."""
        return 27 + LINE * len(self.says)

    @property
    def middle(self) -> float:
        """The x coordinate of its middle."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def centre(self) -> float:
        """The y coordinate of its middle."""
        return self.y + self.height / 2

    @property
    def marks(self) -> str:
        """Its drawing."""
        frame = d.rect(self.x, self.y, self.width, self.height, f"flow {self.kind}".strip(),
                       ' rx="7"')  # fmt: skip
        name = d.text(self.middle, self.y + 18, self.name, "flow-name", "middle")
        says = (d.text(self.middle, self.y + 18 + LINE * number, line, "flow-says", "middle")
                for number, line in enumerate(self.says, 1))  # fmt: skip
        return frame + name + "".join(says)


def arrow(*points: tuple[float, float], kind: str = "") -> str:
    """A line from point to point, with a head at its end."""
    (x, y), (to_x, to_y) = points[-2:]
    along_x, along_y = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
    back_x, back_y = to_x - 6 * along_x, to_y - 6 * along_y
    head = [(back_x - 4 * along_y, back_y - 4 * along_x), (to_x, to_y),
            (back_x + 4 * along_y, back_y + 4 * along_x)]  # fmt: skip
    kind = f"flow-line {kind}".strip()
    return d.path(points, kind) + d.path(head, kind)


def down(upper: Box, lower: Box, kind: str = "") -> str:
    """An arrow from a box to one below it: straight, or with a bend halfway."""
    start, end = (upper.middle, upper.bottom), (lower.middle, lower.y - 1)
    if abs(start[0] - end[0]) < 1:
        return arrow(start, end, kind=kind)
    half = (start[1] + end[1]) / 2
    return arrow(start, (start[0], half), (end[0], half), end, kind=kind)


def across(left: Box, right: Box, kind: str = "") -> str:
    """A straight arrow from a box to one on its right."""
    return arrow((left.right, left.centre), (right.x - 1, left.centre), kind=kind)


def label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    """Words beside an arrow."""
    return d.text(x, y, text, "flow-says halo", anchor)
