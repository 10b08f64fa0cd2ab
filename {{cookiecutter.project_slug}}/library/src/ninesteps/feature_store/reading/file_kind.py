"""Recognises a file by its first bytes, and says what to do if it is not a table.

Standard library only: it runs before anything else is imported.
"""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from ninesteps.errors import RawTableError

Kind = Literal["csv", "gzip", "json lines", "json lines in gzip", "parquet", "feather"]

READ = "expected a table as CSV or JSON Lines (or either in gzip), Parquet or Feather"

_TABLES: tuple[tuple[bytes, Kind], ...] = (
    (rb"PAR1[^,;|\t\r\n]", "parquet"),
    (rb"ARROW1\0", "feather"),
    (rb"FEA1\0", "feather"),
)

_PICKLE = "a pickle, which is never read: save its table as CSV or Parquet"

_OTHERS = (
    (rb"PARE[\0-\x08\x0e-\x1f]", "an encrypted Parquet file: decrypt it"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls): save its sheet as CSV UTF-8"),
    (rb"SQLite format 3\0", "an SQLite database: export its table as CSV"),
    (rb"ORC[\0-\x08\n\x0b\x0c\x0e-\x1f]", "an ORC file: convert it to Parquet"),
    (rb"Obj\x01", "an Avro file: convert it to Parquet"),
    (rb"\x89HDF", "an HDF5 file: export its table as CSV or Parquet"),
    (rb"\x93NUMPY", "a NumPy file: save its table as CSV or Parquet"),
    (rb"\x80[\x02-\x05]", _PICKLE),
    (rb"<stata_dta>", "a Stata file: export its table as CSV"),
    (rb"\$FL[23]@", "an SPSS file: export its table as CSV"),
    (rb"RD[AX][23]\n", "an R file: write its table as CSV"),
    (rb"%PDF-", "a PDF: save the table in it as CSV"),
    (rb"\{\\rtf", "a text document: save the table in it as CSV"),
    (rb"BZh[1-9]1AY", "a bzip2 archive: unpack it"),
    (rb"\xfd7zXZ\0", "an xz archive: unpack it"),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it, and name the table in it"),
    (rb"Rar!\x1a", "a RAR archive: unpack it, and name the table in it"),
    (rb"(?s).{257}ustar", "a tar archive: unpack it, and name the table in it"),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "text in UTF-32: save it as UTF-8 (in Excel: CSV UTF-8)"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16: save it as UTF-8 (in Excel: CSV UTF-8)"),
)

_TEXTS = (
    (r"(?i)<!doctype html|<html|<head|<table", "a web page: save the table in it as CSV"),
    (r"<\?xml", "XML: export the table as CSV"),
    (r"\{\s*$", "one JSON object: write the table as JSON Lines, one object per line"),
    (r"\[\s*([\[{\]]|$)", "a JSON array: write the table as JSON Lines, one object per line"),
    (r"(?i)sep=.?\s*$", 'a first line "sep=", which only Excel reads: delete it'),
    (r"@(relation|RELATION)\s", "ARFF: export the table as CSV"),
    (r"version https://git-lfs", "a pointer of Git LFS: run `git lfs pull`"),
)


def kind_of(file: Path) -> Kind:
    """The format of a table's file.

    Raises:
        RawTableError: if it is not a table; the sentence says what it is and what to do.
    """
    _check_is_file(file)
    try:
        with file.open("rb") as content:
            beginning = content.read(4096)
    except OSError as error:
        raise RawTableError(f"{file} cannot be read: {error.strerror or error}") from None
    if beginning.startswith(b"\x1f\x8b"):
        return _packed_kind(file)
    for start, kind in _TABLES:
        if re.match(start, beginning):
            return kind
    return "json lines" if _check_is_text(file, beginning) else "csv"


def _check_is_file(file: Path) -> None:
    """Check that it is a regular file, which ends and can be read more than once."""
    if str(file) == "-":
        raise RawTableError(
            f"{READ}, got -: standard input can be read only once: save it to a file"
        )
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise RawTableError(f"there is no file {file}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RawTableError(f"{file} cannot be read: {reason}") from None
    if stat.S_ISDIR(mode):
        raise RawTableError(f"{file}: {READ}, got a folder: name one file, and join several first")
    if not stat.S_ISREG(mode):
        raise RawTableError(
            f"{file}: {READ}, got a device or a pipe, which is read only once: save it to a file"
        )


def _packed_kind(file: Path) -> Kind:
    try:
        with gzip.open(file) as content:
            beginning = content.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise RawTableError(f"{file}: not a valid gzip archive: {error}") from None
    if any(re.match(start, beginning) for start, _ in _TABLES):
        raise RawTableError(f"{file}: {READ}, got a gzip archive of something else: unpack it")
    return "json lines in gzip" if _check_is_text(file, beginning) else "gzip"


def _check_is_text(file: Path, beginning: bytes) -> bool:
    """Refuse a file that is not a table as text; return whether its first line is a JSON object."""
    for start, what in _OTHERS:
        if re.match(start, beginning):
            raise RawTableError(f"{file}: {READ}, got {what}")
    if re.match(rb"PK[\x03\x05]", beginning):
        raise RawTableError(f"{file}: {READ}, got {_zipped(file)}")
    line = beginning.decode("utf-8-sig", errors="replace").lstrip().split("\n", 1)[0].strip()
    for pattern, what in _TEXTS:
        if re.match(pattern, line):
            raise RawTableError(f"{file}: {READ}, got {what}")
    zeros = beginning.count(0) / max(1, len(beginning))
    if zeros > 0.2:  # two bytes per character, without a byte order mark
        raise RawTableError(f"{file}: {READ}, got text in UTF-16, or not text: save it as UTF-8")
    if zeros > 0.01:
        raise RawTableError(f"{file}: {READ}, got a file of another kind")
    return bool(re.match(r'\{\s*["}]', line))


def _zipped(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        names = []
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook: save its sheet as CSV UTF-8"
    if "content.xml" in names:
        return "an OpenDocument file: save its sheet as CSV in UTF-8"
    return "a zip archive: unpack it, and name the table in it"
