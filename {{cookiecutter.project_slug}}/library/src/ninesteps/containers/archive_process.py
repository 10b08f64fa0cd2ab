"""The process in which a model's archive answers requests, with only its own modules.

    python archive_process.py FOLDER EXCHANGE [CONTENT_TYPE]

It reads `requests.json`, a list of texts, CSV if no other content type is given, from the folder
EXCHANGE and writes `answers.json` there. It imports only the standard library, so that it hides no
module of the archive.
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


def main(folder: str, exchange: str, kind: str = CSV) -> int:
    """Have the `inference.py` of an unpacked archive answer the requests; return the exit
    status."""
    answered: dict[str, Any] = {}
    try:
        use_modules_of(Path(folder, "code"))
        os.chdir(folder)
        script: Any = importlib.import_module("inference")
        model = script.model_fn(folder)
        requests = json.loads(Path(exchange, REQUESTS).read_text(encoding="utf-8"))
        answered["content_types"] = [*getattr(script, "CONTENT_TYPES", (CSV,))]
        answered["texts"] = [answer(script, model, request, kind) for request in requests]
    except Exception as error:
        traceback.print_exc()
        answered["error"] = f"{type(error).__name__}: {error}"
    Path(exchange, ANSWERS).write_text(json.dumps(answered), encoding="utf-8")
    return int("error" in answered)


def answer(script: Any, model: Any, request: str, kind: str = CSV) -> str:
    """Call the functions of `inference.py` as the container's toolkit does."""
    data = script.input_fn(request.encode(), kind)
    said = script.output_fn(script.predict_fn(data, model), kind)
    text = said[0] if isinstance(said, tuple) else said  # (text, content type)
    return text.decode() if isinstance(text, bytes) else str(text)


def use_modules_of(code: Path) -> None:
    """Make imports find the modules of a folder before others of the same names.

    In a fork, the step's own modules are already imported.
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
