"""The process in which a model's archive answers: its own modules, and none of another's.

    python archive_process.py FOLDER EXCHANGE

It reads `requests.json` of the folder EXCHANGE, texts of CSV, and writes `answers.json` there. It
stands alone: nothing that it imports hides a module of the archive.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

REQUESTS, ANSWERS = "requests.json", "answers.json"
CSV = "text/csv"


def main(folder: str, exchange: str) -> int:
    """Answer the requests by the `inference.py` of an unpacked archive; gives the exit status."""
    answered: dict[str, Any] = {}
    try:
        use_modules_of(Path(folder, "code"))
        os.chdir(folder)
        script: Any = importlib.import_module("inference")
        model = script.model_fn(folder)
        requests = json.loads(Path(exchange, REQUESTS).read_text(encoding="utf-8"))
        answered["content_types"] = [*getattr(script, "CONTENT_TYPES", (CSV,))]
        answered["texts"] = [answer(script, model, request) for request in requests]
    except Exception as error:
        traceback.print_exc()
        answered["error"] = f"{type(error).__name__}: {error}"
    Path(exchange, ANSWERS).write_text(json.dumps(answered), encoding="utf-8")
    return int("error" in answered)


def answer(script: Any, model: Any, request: str) -> str:
    """What the container's toolkit makes of a request."""
    data = script.input_fn(request.encode(), CSV)
    said = script.output_fn(script.predict_fn(data, model), CSV)
    text = said[0] if isinstance(said, tuple) else said  # with its content type
    return text.decode() if isinstance(text, bytes) else str(text)


def use_modules_of(code: Path) -> None:
    """Have the modules in a folder found, and no others of their names.

    A fork has those of the step imported.
    """
    own = str(Path(__file__).parent)
    for name, module in list(sys.modules.items()):
        is_own = str(Path(getattr(module, "__file__", None) or "").parent) == own
        is_the_archives = (code / f"{name}.py").is_file() and name not in sys.stdlib_module_names
        if name != "__main__" and (is_own or is_the_archives):
            del sys.modules[name]
    sys.path[:] = [str(code), *(place for place in sys.path if place != own)]
    importlib.invalidate_caches()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
