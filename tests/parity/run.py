"""Compares the two backends of language models: `tox run -e torch`.

torch, transformers and peft are those of this machine, in no lock: a Python that has them is named
by TORCH_PYTHON. Without that variable `python3` is asked, and where it has none, nothing is
compared, which is said and no failure; a Python that was named has to have them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NEEDED = ("torch", "transformers", "peft", "tokenizers", "safetensors")
HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str]) -> int:
    """Run the comparison if there is something to compare with."""
    named = os.environ.get("TORCH_PYTHON")
    python = shutil.which(named) if named else _python_of_the_machine()
    lacking = NEEDED if python is None else _lacking(python)
    if lacking:
        missing = f"{python or named or 'python3'} lacks {', '.join(lacking)}"
        if named:
            print(f"TORCH_PYTHON: expected a Python with {', '.join(NEEDED)}: {missing}",
                  file=sys.stderr)  # fmt: skip
            return 1
        print(f"LEFT OUT: the backends of language models were not compared: {missing}; install "
              "them there, or name another Python by TORCH_PYTHON")  # fmt: skip
        return 0
    command = [sys.executable, "-m", "pytest", str(HERE / "parity.py"), *arguments]
    environment = {**os.environ, "TORCH_PYTHON": str(python)}
    return subprocess.run(command, env=environment, check=False).returncode


def _python_of_the_machine() -> str | None:
    """The first `python3` that is not this environment's."""
    own = Path(sys.prefix).resolve()
    folders = os.environ.get("PATH", "").split(os.pathsep)
    others = [each for each in folders if each and not Path(each).resolve().is_relative_to(own)]
    return shutil.which("python3", path=os.pathsep.join(others))


def _lacking(python: str) -> list[str]:
    """Which packages a Python does not find."""
    script = (
        "import importlib.util, sys\n"
        "print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])"
    )
    done = subprocess.run(
        [python, "-c", script, *NEEDED], capture_output=True, text=True, check=False
    )
    return done.stdout.split() if done.returncode == 0 else [*NEEDED]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
