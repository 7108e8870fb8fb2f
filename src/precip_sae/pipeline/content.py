"""What a file or folder holds, as the digest that DVC writes into dvc.lock."""

import hashlib
import json
from pathlib import Path

from precip_sae.files import WRITING
from precip_sae.pipeline.inputs import IGNORED

# A folder's digest in dvc.lock and its list of files in the store end so.
FOLDER = ".dir"
# Beside IGNORED also in .dvcignore.
_LEFT_OUT = (".failed.ipynb", ".gitignore")


def file_md5(file: Path) -> str:
    """The MD5 of a file, 32 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def files_of(path: Path) -> list[Path]:
    """The files that DVC sees in a file or folder, in the order of their names."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith(WRITING))
    return sorted(f for f in found if not f.name.endswith(_LEFT_OUT) and not IGNORED.intersection(f.parts))


def content_md5(path: Path) -> str | None:
    """The digest of a file or folder as DVC 3 takes it; None where there is none.

    A folder's is the MD5 of the JSON list of its files' digests and relative names, and ends in `.dir`.
    """
    if path.is_file():
        return file_md5(path)
    if not path.is_dir():
        return None
    listed = [{"md5": file_md5(file), "relpath": file.relative_to(path).as_posix()} for file in files_of(path)]
    text = json.dumps(sorted(listed, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + FOLDER
