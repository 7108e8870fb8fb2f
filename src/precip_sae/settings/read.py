"""Reads params.yaml, and says in one sentence what is wrong with it."""

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml.error import YAMLError

from precip_sae.errors import SettingsError, closest
from precip_sae.plain_yaml import load_yaml
from precip_sae.settings.kinds import Section
from precip_sae.settings.whole import Settings


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file.

    Raises:
        SettingsError: the file is missing, is not YAML or does not hold a mapping.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as text ({error}).") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path.name}: is not valid YAML{line} ({getattr(error, 'problem', error)}).") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name}: found {type(content).__name__}, expected keys and values.")
    return content


def load_settings(path: Path) -> Settings:
    """Reads and checks params.yaml.

    Raises:
        SettingsError: the first thing that is wrong with it, in one sentence.
        NetworkError: a network that a task names cannot be read.
    """
    return project_settings(read_yaml(path), path.parent, path.name)


def project_settings(content: dict[str, Any], root: Path, source: str) -> Settings:
    """The content of a params.yaml in the folder `root` as checked settings.

    Raises:
        SettingsError, NetworkError: see `load_settings`.
    """
    from precip_sae.pipeline.networks import with_networks  # few tasks name one

    settings: Settings = parse(Settings, with_networks(content, root, source), source)
    for name, task in settings.tasks.items():
        if Path(task.data.table).suffix in (".yaml", ".yml"):
            raise SettingsError(
                f"{source}: tasks.{name}.data.table is {task.data.table}, a list of files, which DVC does not follow; "
                "expected a file or a folder."
            )
    return settings


def parse(section: type[Section], content: dict[str, Any], source: str, prefix: str = "") -> Any:
    """`content` as a checked `section`.

    Args:
        section: the class to make.
        content: keys and values, as read from YAML or passed to a notebook.
        source: file (or notebook) to name in the sentence if something is wrong.
        prefix: where in that file the section stands, for example `tasks.classifier.`.

    Raises:
        SettingsError: the first thing that is wrong, in one sentence.
    """
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise SettingsError(_sentence(error, section, source, prefix)) from error


def _sentence(error: ValidationError, section: type[Section], source: str, prefix: str) -> str:
    # An unknown key is named before a missing one: a misspelt key causes both, and the first says it best.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = problems[0]
    place = (prefix + ".".join(str(part) for part in first["loc"])).rstrip(".")
    match first["type"]:
        case "extra_forbidden":
            known = _fields_at(section, first["loc"][:-1])
            return f"{source}: {place} is not a known key; {closest(str(first['loc'][-1]), known)}."
        case "missing":
            return f"{source}: {place} is missing."
        case "value_error":
            where = f" {place}:" if place else ""
            return f"{source}:{where} {first['ctx']['error']!s}."
        case _:
            message = first["msg"][0].lower() + first["msg"][1:]
            return f"{source}: {place} is {first['input']!r}, but {message}."


def _fields_at(section: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """The known keys at `place`, following sections, and mappings and lists of sections."""
    current: Any = section
    for part in place:
        fields = getattr(current, "model_fields", None)
        current = fields[part].annotation if fields else get_args(current)[-1]
    return list(current.model_fields)
