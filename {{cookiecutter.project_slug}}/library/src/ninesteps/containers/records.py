"""Reads the records of a request: any bytes give either numbers or a ValueError.

The cost of a request is bounded by its length: its fields are counted before they are parsed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

if TYPE_CHECKING:
    from raw_records import RawRequest

MAX_FIELDS = 2500
"""The most fields of a record with unknown columns: the most features of a feature group."""

_SHORT = 16 * 1024
"""Bytes of CSV up to which a list is faster than Arrow's reader."""

_DIGITS = b"0123456789.-,\n"  # no exponent
_LONG = 37
"""The most digits without an exponent that are surely within single precision's range."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_SHAPE = 'JSON such as {"instances": [{"features": [1.5, null]}]}'
_JSON_SHAPES = f'{_JSON_SHAPE} or {{"records": [{{"age": 41}}]}}'


def from_csv(body: bytes | str, fields: int | None = None) -> NDArray[np.float32]:
    """Read header-less CSV of numbers, one record per line; an empty field is a missing value.

    Args:
        body: the request's.
        fields: the number of fields in a record, if known.

    Returns:
        The numbers, (n, fields).

    Raises:
        ValueError: if it is anything else.
    """
    content = _plain(body.encode(errors="replace") if isinstance(body, str) else bytes(body))
    width = content.count(b",", 0, content.find(b"\n")) + 1
    _check_width(width, fields)
    read = _few if len(content) <= _SHORT and b'"' not in content else _many
    try:
        return _finite(read(content, width))
    except pa.ArrowException:
        raise ValueError(f"expected CSV of numbers, {width} in each record") from None


def _few(content: bytes, width: int) -> NDArray[np.float32]:
    """The same result as `_many`, in a tenth of the time."""
    lines = [line for line in content.split(b"\n")[:-1] if line or width == 1]
    if any(line.count(b",") != width - 1 for line in lines):
        raise pa.ArrowInvalid
    fields = b",".join(lines).split(b",")
    if not content.translate(None, _DIGITS) and (numbers := _rounded_once(fields)) is not None:
        return numbers.reshape(-1, width)
    texts = [field.strip(b" \t") if field else b"nan" for field in fields]
    return np.array(pa.array(texts, pa.string()).cast(pa.float32())).reshape(-1, width)


def _rounded_once(fields: list[bytes]) -> NDArray[np.float32] | None:
    """The same result by Arrow, in half the time; None where it might differ.

    Python reads doubles: one that is half-way between two singles may already have been rounded.
    """
    if max(map(len, fields)) > _LONG:
        return None
    try:
        numbers = np.array([float(field) if field else np.nan for field in fields])
    except ValueError:
        return None
    is_half_way = numbers.view(np.int64) & 0x1FFFFFFF == 0x10000000  # its last 29 bits, of 53
    return None if is_half_way.any() else numbers.astype(np.float32)


def _many(content: bytes, width: int) -> NDArray[np.float32]:
    table = pyarrow.csv.read_csv(pa.BufferReader(content), **_options(width))
    return np.array([column.to_numpy() for column in table.columns]).T.copy()


@lru_cache(16)
def _options(width: int) -> dict[str, Any]:
    names = [f"f{position}" for position in range(width)]
    return {
        "read_options": pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
        # With a single feature, an empty line is a record with a missing value.
        "parse_options": pyarrow.csv.ParseOptions(ignore_empty_lines=width > 1),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={name: pa.float32() for name in names}, null_values=["", "nan", "NaN"]
        ),
    }


def _plain(content: bytes) -> bytes:
    """Lines that end with a line feed, one per record.

    Raises:
        ValueError: if there are none.
    """
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if not content:
        raise ValueError("expected CSV of at least one record, got none")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content if content.endswith(b"\n") else content + b"\n"


def from_json(
    body: bytes | str,
    fields: int | None = None,
    code: Path | None = None,
    names: Sequence[str] = (),
) -> NDArray[np.float32] | RawRequest:
    """Read JSON: features in the format of SageMaker's built-in algorithms, or raw records.

    Args:
        body: the request's; `null` is a missing value.
        fields: the number of features in a record, if known.
        code: the folder of the archive's code, which raw records need.
        names: the model's features, which raw records need.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        content = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise ValueError(f"expected {_JSON_SHAPES}, got something else") from None
    if not isinstance(content, dict) or "records" not in content or code is None:
        return _vectors(content, fields)
    import raw_records  # imports pandas: not needed if clients send features

    return raw_records.read(content["records"], code, names)


def _vectors(content: Any, fields: int | None) -> NDArray[np.float32]:
    try:
        rows = [instance["features"] for instance in content["instances"]]
        widths = {len(row) for row in rows}
        kinds = {type(field) for row in rows for field in row}
    except (LookupError, TypeError):
        raise ValueError(f"expected {_JSON_SHAPES}, got something else") from None
    if len(widths) != 1 or not kinds <= {int, float, type(None)}:
        raise ValueError(f"expected {_JSON_SHAPE}, got features that are not equally many numbers")
    _check_width(widths.pop(), fields)
    try:
        numbers = np.array(rows, dtype=np.float64)
    except OverflowError:  # an integer too large for a double
        numbers = np.array([[np.inf]])
    with np.errstate(over="ignore"):  # too large for single precision: infinite, as in CSV
        return _finite(numbers.astype(np.float32))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key occurs twice")
    return content


def _check_width(width: int, fields: int | None) -> None:
    if fields is None and not 0 < width <= MAX_FIELDS:
        raise ValueError(f"expected 1 to {MAX_FIELDS} fields in a record, got {width}")
    if fields not in (None, width):
        raise ValueError(f"expected {fields} fields in a record, got {width}")


def _finite(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    if np.isinf(numbers).any():
        raise ValueError(
            "expected finite numbers, or none, got an infinite one or one beyond single precision"
        )
    return numbers
