"""Opens a table's file, whatever its format, and hands out its rows in pieces that fit into memory."""

from pathlib import Path

from ruamel.yaml.error import YAMLError

from precip_sae.errors import TableError, first_line
from precip_sae.plain_yaml import load_yaml
from precip_sae.settings import FileSettings
from precip_sae.tables.delimited import open_delimited
from precip_sae.tables.gridded import open_gridded
from precip_sae.tables.opened import EXPECTED, Opened
from precip_sae.tables.parquet import open_parquet

CSV, PARQUET = {".csv", ".tsv", ".txt"}, {".parquet", ".pq"}
LISTS = {".yaml", ".yml"}


def table_files(path: Path) -> list[Path]:
    """The files of a table: `path` itself, by name those in the folder `path` or that it matches as a pattern, or those
    that it lists.

    A list is a YAML file of names (or folders, or patterns) relative to it; its order is that of the rows.

    Raises:
        TableError: there is none, or a list is no list of names, or names a file twice.
    """
    if is_list(path):
        return _listed(path)
    if path.is_symlink() and not path.exists():
        raise TableError(f"{path}: is a link to {path.readlink()}, which does not exist; expected {EXPECTED}.")
    if path.is_dir() and not _is_zarr(path):
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        if not files:
            raise TableError(f"{path}: is a folder without files, expected {EXPECTED}.")
        return files
    if not path.exists() and any(mark in str(path) for mark in "*?["):
        files = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not files:
            raise TableError(f"{path}: no file matches this pattern, expected {EXPECTED}.")
        return files
    return [path]


def is_list(path: Path) -> bool:
    """Whether a file lists the files of a table."""
    return path.suffix.lower() in LISTS and path.is_file()


def _listed(path: Path) -> list[Path]:
    try:
        names = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise TableError(f"{path}: cannot be read as a list of files ({first_line(error)}).") from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise TableError(f"{path}: is no list of files, expected a name in each line after a dash.")
    files: list[Path] = []
    for name in names:
        place = path.parent / name
        if is_list(place):
            raise TableError(f"{path}: names {name}, which is a list itself, expected files, folders or patterns.")
        files += table_files(place)
    if repeated := next((file for file in files if files.count(file) > 1), None):
        raise TableError(f"{path}: {repeated.name} is listed more than once.")
    return files


def _is_zarr(path: Path) -> bool:
    # a Zarr store is a folder
    return any((path / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json"))


def refuse_pickled(store: Path) -> None:
    """Refuses a Zarr store whose arrays are pickled: to read them would run whatever code they hold.

    Raises:
        TableError: naming the array.
    """
    for name in (".zarray", ".zmetadata", "zarr.json"):
        for file in store.rglob(name):
            if b"pickle" in file.read_bytes():
                raise TableError(f"{store}: {file.relative_to(store)} speaks of pickles, which are not read.")


def open_table(path: Path, settings: FileSettings) -> Opened:
    """Looks into the file at `path`; no row is read yet.

    Raises:
        TableError: there is no such file, or it is not a table.
    """
    if not path.exists():
        raise TableError(f"{path}: no such file, expected {EXPECTED}.")
    if path.is_dir():
        if not _is_zarr(path):
            raise TableError(f"{path}: is a folder, expected {EXPECTED}.")
        refuse_pickled(path)
        return open_gridded(path)
    if not path.is_file():
        raise TableError(f"{path}: is no regular file, expected {EXPECTED}.")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes), expected {EXPECTED}.")
    suffixes = [s.lower() for s in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    ending = "".join(suffixes[-2:-1] if zipped else suffixes[-1:])
    found = settings.format or ("csv" if ending in CSV else "parquet" if ending in PARQUET else "xarray")
    if found == "parquet":
        return open_parquet(path)
    if found == "csv":
        return open_delimited(path, settings, zipped, "\t" if ending == ".tsv" else ",")
    return open_gridded(path)
