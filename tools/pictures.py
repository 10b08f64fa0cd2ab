"""Makes the README's pictures from a real run: `python tools/pictures.py [--check]`.

`docs/run.svg` is what `pipeline run` of churn prints, from its first line to its last,
`docs/report.png` the first screen of the run's report, and `docs/explainer.png` that of the
explainer. Whether they are stale is told without a browser: the SVG has its text, and a PNG carries
a digest of the words of the page it shows. What differs from run to run (ids, numbers, who and
when) is not compared.

Making them runs every scenario and needs Chromium on the path.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

from cookiecutter.main import cookiecutter
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "{{cookiecutter.project_slug}}" / "library" / "src"
sys.path[:0] = [
    str(ROOT / "tools"), str(ROOT / "samples"), str(LIBRARY),
    str(LIBRARY / "ninesteps" / "containers"),
]  # fmt: skip

from explainer import page as explainer  # noqa: E402
from explainer.facts import ScenarioFacts, gather  # noqa: E402
from explainer.rendering import RUNNABLE, rendered_and_run  # noqa: E402

DOCS = ROOT / "docs"
RUN, REPORT, EXPLAINER = "run.svg", "report.png", "explainer.png"
CHURN = "churn"
DIGEST = "First-Screen-SHA256"
"""The text chunk of a PNG that says which page it shows."""

NARROWEST = 80  # columns of the terminal that is drawn
SIZE = "1180,1010"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
WHO = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email",
       "GIT_CONFIG_VALUE_0": "team@example.com"}  # fmt: skip


def main() -> None:
    """Make the pictures, or name those that no longer show what a run gives.

    Raises:
        SystemExit: 1 if a picture is stale; 2 without a browser to make one.
    """
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("--check", action="store_true", help="make none; exit 1 if one is stale")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        printed, churn = run_of_churn(Path(folder))
        page = churn.execution.page
        if options.check:
            shown = explainer.html({CHURN: churn})
            if found := stale(printed, page.read_text(encoding="utf-8"), shown):
                sys.exit(f"pictures: stale: {', '.join(found)}; expected what `python "
                         "tools/pictures.py` makes")  # fmt: skip
            return
        (DOCS / RUN).write_text(drawn(printed), encoding="utf-8", newline="\n")
        photograph(page, DOCS / REPORT, Path(folder))
        others = {name: gather(name, rendered_and_run(name, Path(folder)))
                  for name in RUNNABLE if name != CHURN}  # fmt: skip
        front = explainer.write(Path(folder) / "site", {CHURN: churn, **others})
        photograph(front, DOCS / EXPLAINER, Path(folder))


def stale(printed: str, page: str, front: str, docs: Path = DOCS) -> list[str]:
    """The pictures that do not show this run.

    Args:
        printed: what `pipeline run` printed, with or without colours.
        page: its report.
        front: the explainer, of any scenarios.
    """
    is_current: dict[str, Callable[[Path], bool]] = {
        RUN: lambda path: _same_words(
            text_of(path.read_text(encoding="utf-8")), comparable(printed)
        ),
        REPORT: lambda path: digest_of(path) == digest(page),
        EXPLAINER: lambda path: digest_of(path) == digest(front),
    }
    return [name for name, holds in is_current.items()
            if not (docs / name).is_file() or not holds(docs / name)]  # fmt: skip


def run_of_churn(folder: Path) -> tuple[str, ScenarioFacts]:
    """Render churn and run it; gives what it printed, in colours, and the run."""
    repository = Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder)))
    done = subprocess.run(
        [sys.executable, "-m", "ninesteps.cli", "run"],
        cwd=repository,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout, gather(CHURN, repository)


def _environment(home: Path) -> Mapping[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEMAKER_"))}
    look = {"FORCE_COLOR": "1", "COLUMNS": str(NARROWEST), "TERM": "xterm-256color"}
    return {**own, **WHO, **look, "HOME": str(home), "PYTHONPATH": str(LIBRARY)}


# What the terminal shows


def lasting(printed: str) -> list[str]:
    """The lines that stay on a terminal: of a table that is drawn again and again, the last."""
    lines = printed.splitlines()
    tables = [n for n, line in enumerate(lines) if "state" in line and "seconds" in line]
    if not tables:
        raise ValueError(f"expected a run's output with its table of steps, got {printed[-200:]!r}")
    head = itertools.takewhile(lambda line: not _moves(line), lines[: tables[0]])
    return [*head, *lines[tables[-1] :]]


def _moves(line: str) -> bool:
    """Whether a line tells of a step that is going on, as where there is no terminal."""
    return Text.from_ansi(line).plain.startswith(("Executing ", "Cached "))


def drawn(printed: str) -> str:
    """An SVG of a terminal, from the command to its last line."""
    lines = [Text.from_ansi(line) for line in ("$ pipeline run", *lasting(printed))]
    width = max(NARROWEST, *(len(line.plain.rstrip()) for line in lines))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in lines:
        line.rstrip()
        console.print(line, highlight=False)
    svg = console.export_svg(title="pipeline run", unique_id="run")
    plain = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", plain, flags=re.MULTILINE)


def text_of(svg: str) -> str:
    """The words in a picture of a terminal, to be compared with `comparable`."""
    found = re.findall(r'<text [^>]*url\(#run-line-(\d+)\)">([^<]*)</text>', svg)
    rows = itertools.groupby(found, key=lambda text: int(text[0]))
    lines = ["".join(html.unescape(part) for _, part in texts) for _, texts in rows]
    return _without_what_differs("\n".join(lines[1:]).replace("\xa0", " "))


def comparable(printed: str) -> str:
    """What a run printed, but for what differs from run to run."""
    return _without_what_differs("\n".join(Text.from_ansi(line).plain for line in lasting(printed)))


def _same_words(picture: str, printed: str) -> bool:
    """Whether two texts are the same but for blanks: a picture has none between columns."""
    return "".join(picture.split()) == "".join(printed.split())


def _without_what_differs(text: str) -> str:
    for run in re.findall(r"\.local/runs/(\w+)", text):
        text = text.replace(run, "RUN")
    return " ".join(re.sub(r"\d+(?:[.,]\d+)*", "0", text).split())


# What the page shows


def photograph(page: Path, picture: Path, folder: Path) -> None:
    """Take a picture of a page's first screen, with the digest of its words.

    Raises:
        SystemExit: without Chromium on the path.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("pictures: expected Chromium on the path, found none: apt-get install chromium")
    subprocess.run(
        [browser, *QUIET, f"--user-data-dir={folder / 'browser'}", f"--window-size={SIZE}",
         f"--screenshot={picture}", page.as_uri()], capture_output=True, check=True,
    )  # fmt: skip
    said = PngInfo()
    said.add_text(DIGEST, digest(page.read_text(encoding="utf-8")))
    with Image.open(picture) as taken:
        few = taken.convert("RGB").quantize(64, dither=Image.Dither.NONE)  # colours nobody sees
    few.save(picture, optimize=True, pnginfo=said)


def digest(page: str) -> str:
    """SHA-256 of the words of a page's first screen, but for what differs from run to run."""
    return hashlib.sha256(first_screen(page).encode()).hexdigest()


def digest_of(picture: Path) -> str:
    """The digest that a picture was taken with; empty if it has none."""
    with Image.open(picture) as taken:
        return str(taken.info.get(DIGEST, ""))


def first_screen(page: str) -> str:
    """The words of a page's header and the beginning of its content, without one run's facts."""
    reader = _FirstScreen()
    reader.feed(page)
    return _without_what_differs(" ".join(reader.words))


class _FirstScreen(HTMLParser):
    """Reads the header, and what follows; not what stands in `dd`, a run's own facts."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[str] = []
        self._headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go into an element."""
        if tag in _READ:
            self._open.append(tag)
            self._headings += tag in ("h2", "h3") and "header" not in self._open

    def handle_endtag(self, tag: str) -> None:
        """Come out of one."""
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Keep what is on the first screen."""
        is_told = {"header", "h2", "p"} & set(self._open) and not {"dd", "svg"} & set(self._open)
        if self._headings < _HEADINGS and is_told and data.strip():
            self.words.append(data.strip())


_READ = ("header", "h2", "h3", "p", "dd", "svg")
_HEADINGS = 2  # the first below the header is still on the first screen


if __name__ == "__main__":
    main()
