"""Where a figure or a table comes from, written into the file itself.

The runner stamps what a stage has made, so that no notebook or figure needs to know of it: in an SVG a `metadata`
element, in a PNG a `tEXt` chunk, in a LaTeX table a comment, and for the CSV tables of a folder, whose format has no
place for it, the file `provenance.json` beside them. A stamp names stage and file and digests of the settings, the
data and the code that the stage rests on; no time and no machine, so the same run gives the same bytes. A figure
drawn by hand has none.
"""

import json
import re
import struct
import zlib
from dataclasses import asdict, dataclass
from html import escape, unescape
from pathlib import Path

from precip_sae.files import read_json, replacing, write_json
from precip_sae.pipeline.content import files_of

KEYWORD = "precip-sae"
# Beside the CSV tables of a folder.
BESIDE = "provenance.json"
STAMPED = (".svg", ".png", ".tex")

_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb'<metadata id="precip-sae">(.*?)</metadata>\n?', re.S)
_TEX = re.compile(rb"\A% precip-sae (.*)\n")


@dataclass(frozen=True)
class Basis:
    """What a stage rests on, each as 16 hexadecimal digits of a SHA-256.

    Attributes:
        settings: the sections of params.yaml, typed and complete, and the task.
        data: the files that it reads, those of earlier stages among them.
        code: its notebook, the modules of this package that it may import, and the locked environment.
    """

    settings: str
    data: str
    code: str


@dataclass(frozen=True)
class Stamp:
    """What a stamped file says of itself.

    Attributes:
        stage: as DVC calls it, `interpret@classifier`.
        file: relative to the project's root: a figure that was moved or swapped is known by it.
    """

    stage: str
    file: str
    basis: Basis


def stamp_folder(folder: Path, root: Path, stage: str, basis: Basis) -> None:
    """Stamps every figure and table in a folder that a stage has written.

    Args:
        root: of the project; files are named relative to it.
        stage: as DVC calls it.

    Raises:
        OutputError: a file cannot be written.
    """
    tables: dict[Path, dict[str, object]] = {}
    for file in files_of(folder):
        plain = asdict(Stamp(stage, file.relative_to(root).as_posix(), basis))
        if file.suffix == ".csv":
            tables.setdefault(file.parent, {})[file.name] = plain
        elif file.suffix in STAMPED:
            with replacing(file) as beside:
                beside.write_bytes(_stamped(file.suffix, file.read_bytes(), json.dumps(plain)))
    for place, stamps in tables.items():
        write_json(place / BESIDE, stamps)


def read_stamp(file: Path) -> Stamp | None:
    """What a figure or table says of itself; None without a stamp."""
    if file.suffix == ".csv":
        beside = file.parent / BESIDE
        plain = read_json(beside).get(file.name) if beside.is_file() else None
    else:
        text = _text(file.suffix, file.read_bytes())
        plain = json.loads(text) if text else None
    return Stamp(plain["stage"], plain["file"], Basis(**plain["basis"])) if plain else None


def unstamped(suffix: str, content: bytes) -> bytes:
    """The file's bytes without its stamp: what is drawn."""
    if suffix == ".svg":
        return _SVG.sub(b"", content)
    if suffix == ".tex":
        return _TEX.sub(b"", content)
    if suffix == ".png" and content.startswith(_PNG):
        return _PNG + b"".join(chunk for chunk in _chunks(content) if not _ours(chunk))
    return content


def _stamped(suffix: str, content: bytes, text: str) -> bytes:
    content = unstamped(suffix, content)
    if suffix == ".svg":
        opening = re.search(rb"<svg\b[^>]*>\n?", content)
        end = opening.end() if opening else 0
        element = f'<metadata id="{KEYWORD}">{escape(text, quote=False)}</metadata>\n'
        return content[:end] + element.encode() + content[end:]
    if suffix == ".tex":
        return f"% {KEYWORD} {text}\n".encode() + content
    if not content.startswith(_PNG):
        return content
    header, *rest = _chunks(content)
    return _PNG + header + _chunk(b"tEXt", KEYWORD.encode() + b"\0" + text.encode("latin-1")) + b"".join(rest)


def _text(suffix: str, content: bytes) -> str | None:
    if suffix == ".svg":
        found = _SVG.search(content)
        return unescape(found[1].decode()) if found else None
    if suffix == ".tex":
        found = _TEX.search(content)
        return found[1].decode() if found else None
    ours = [chunk for chunk in _chunks(content) if _ours(chunk)] if content.startswith(_PNG) else []
    return ours[0][8:-4].split(b"\0", 1)[1].decode("latin-1") if ours else None


def _chunks(png: bytes) -> list[bytes]:
    """The chunks of a PNG, whole: length, type, data, checksum."""
    found, place = [], len(_PNG)
    while place + 12 <= len(png):
        end = place + 12 + struct.unpack(">I", png[place : place + 4])[0]
        found.append(png[place:end])
        place = end
    return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _ours(chunk: bytes) -> bool:
    return chunk[4:8] == b"tEXt" and chunk[8:].startswith(KEYWORD.encode() + b"\0")
