"""Reads and writes weights as safetensors, with numpy only.

The format: eight bytes with the length of a JSON header, the header, then the tensors' bytes,
little-endian and without gaps (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model_files import LanguageModelError, read_object

Floats = NDArray[np.float32]
Dtype = Literal["F32", "F16", "BF16"]

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

STORED: Mapping[Dtype, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # not a numpy type: the upper half of an F32
}

LONGEST_HEADER = 100_000_000
"""The limit of the format's own reader, so that a damaged length does not fill the memory."""


@dataclass(frozen=True)
class Tensor:
    """A tensor's place in its file."""

    file: Path
    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    start: int  # in bytes from the beginning of the file

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def read(self) -> Floats:
        """Its numbers."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            stored = np.fromfile(file, STORED[self.dtype], self.size)
        if self.dtype == "BF16":
            stored = (stored.astype("<u4") << 16).view("<f4")
        return np.asarray(stored, dtype=np.float32).reshape(self.shape)


def tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors in a model's folder, from one file or from several named by an index.

    Only headers are read.

    Raises:
        LanguageModelError: if a file is missing or damaged, or has an unsupported number type.
    """
    if not (folder / INDEX).is_file():
        return tensors_of(folder / WEIGHTS)
    files = read_object(folder / INDEX).get("weight_map")
    if not isinstance(files, dict) or not all(_is_plain(name) for name in files.values()):
        raise LanguageModelError(f"expected `weight_map` with names of files in {INDEX}, got none")
    held = {file: tensors_of(folder / file) for file in sorted(set(files.values()))}
    for name, file in files.items():
        if name not in held[file]:
            raise LanguageModelError(f"expected {name} in {file} as {INDEX} says, got none")
    return {name: held[file][name] for name, file in files.items()}


def tensors_of(file: Path) -> dict[str, Tensor]:
    """The tensors in one file.

    Raises:
        LanguageModelError: if it is missing or damaged, or has an unsupported number type.
    """
    if not file.is_file():
        raise LanguageModelError(f"expected {file.name} in the model's folder, got none")
    total = file.stat().st_size
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        if not 2 <= length <= min(total - 8, LONGEST_HEADER):
            raise _damaged(file, f"a header of {length} bytes in a file of {total}")
        header = _header(file, content.read(length))
    found, end = {}, 8 + length
    for name, entry in sorted(header.items(), key=lambda item: _offsets(file, *item)):
        tensor = _tensor(file, name, entry, 8 + length)
        if tensor.start != end:
            raise _damaged(file, f"a gap or an overlap before {name}")
        end += tensor.size * STORED[tensor.dtype].itemsize
        if end - 8 - length != entry["data_offsets"][1]:
            raise _damaged(file, f"{name} with other bytes than its shape has")
        found[name] = tensor
    if end != total:
        raise _damaged(file, f"{total} bytes instead of the {end} in its header")
    return found


def write(
    file: Path, tensors: Mapping[str, tuple[Dtype, tuple[int, ...]]], read: Callable[[str], Floats]
) -> None:
    """Write tensors, each with its type and shape, reading one at a time.

    BF16 is rounded to the nearest, ties to even.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # required by transformers
    start = 0
    for name, (dtype, shape) in sorted(tensors.items()):
        end = start + math.prod(shape) * STORED[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    with file.open("wb") as content:
        content.write(len(text).to_bytes(8, "little") + text)
        for name, (dtype, shape) in sorted(tensors.items()):
            numbers = read(name)
            if numbers.shape != shape:
                raise ValueError(f"expected {name} of shape {shape}, got {numbers.shape}")
            content.write(_stored(numbers, dtype).tobytes())


def write_arrays(file: Path, arrays: Mapping[str, Floats], dtype: Dtype) -> None:
    """Write arrays, all with the same type."""
    kinds = {name: (dtype, array.shape) for name, array in arrays.items()}
    write(file, kinds, arrays.__getitem__)


def _header(file: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "a header that is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(file, "a header that is not a JSON object")
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _offsets(file: Path, name: str, entry: Any) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    match offsets:
        case [int(start), int(end)] if 0 <= start <= end:
            return start, end
    raise _damaged(file, f"no offsets for {name}")


def _tensor(file: Path, name: str, entry: Mapping[str, Any], base: int) -> Tensor:
    named, shape = entry.get("dtype"), entry.get("shape")
    dtype = next((kind for kind in STORED if kind == named), None)
    if dtype is None:
        raise LanguageModelError(
            f"expected numbers as {', '.join(STORED)} in {file.name}, got {named} in {name}"
        )
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise _damaged(file, f"no shape for {name}")
    return Tensor(file, name, dtype, tuple(shape), base + entry["data_offsets"][0])


def _stored(numbers: Floats, dtype: Dtype) -> NDArray[Any]:
    numbers = np.ascontiguousarray(numbers, dtype="<f4")
    if dtype != "BF16":
        return numbers.astype(STORED[dtype])
    bits = numbers.view("<u4")
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> np.uint32(16)
    return rounded.astype("<u2")


def _is_plain(name: object) -> bool:
    """Whether it is the name of a file in the same folder."""
    return isinstance(name, str) and Path(name).name == name


def _damaged(file: Path, got: str) -> LanguageModelError:
    return LanguageModelError(f"{file.name} is damaged: it has {got}")
