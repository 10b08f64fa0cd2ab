"""Pictures a report for the README: `python tools/report_picture.py` writes docs/report.png.

It needs Chromium on the path, and Pillow, which takes colours out of the file that nobody sees.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "{{cookiecutter.project_slug}}" / "library" / "src"
PICTURE = ROOT / "docs" / "report.png"
SIZE = "1180,1010"
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
WHO = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email",
       "GIT_CONFIG_VALUE_0": "team@example.com"}  # fmt: skip


def main() -> None:
    """Render churn, run it, and take a picture of its page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("report_picture: there is no Chromium on the path")
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder))
        environment = {**os.environ, **WHO, "HOME": folder, "PYTHONPATH": str(LIBRARY)}
        command = [sys.executable, "-m", "ninesteps.cli", "run"]
        subprocess.run(command, cwd=repository, env=environment, check=True)
        (page,) = repository.glob(".local/runs/*/report.html")
        subprocess.run(
            [chromium, *QUIET, f"--user-data-dir={folder}/chromium", f"--window-size={SIZE}",
             f"--screenshot={PICTURE}", page.as_uri()], check=True,
        )  # fmt: skip
    from PIL import Image

    with Image.open(PICTURE) as picture:
        few = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
