"""Refuses a slug that cannot be a folder and a SageMaker name; the other answers come after."""

import re
import sys
from collections import OrderedDict  # noqa: F401  # as which cookiecutter prints dictionaries

SLUG = dict({{cookiecutter.items() | list | pprint}})["project_slug"]
RESERVED = {"aux", "con", "nul", "prn", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
"""Names that no folder can have on Windows."""

if not re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}", SLUG) or SLUG.lower() in RESERVED:
    sys.exit(
        f"project_slug: {SLUG!r} was read, where at most 63 letters, digits and single hyphens "
        "within are right, and no name that Windows keeps for a device"
    )
