"""Every key of params.yaml with its default and meaning, as the models of `settings` state them."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def described(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, default and meaning, one by one; `tasks.<name>` stands for each task."""
    for name, field in section.model_fields.items():
        key, annotation = f"{prefix}{name}", field.annotation
        if inner := _section(annotation):
            yield from described(inner, f"{key}.")
        elif get_origin(annotation) is dict and (inner := _section(get_args(annotation)[1])):
            yield from described(inner, f"{key}.<name>.")
        else:
            default = "(needed)" if field.is_required() else _shown(field.get_default(call_default_factory=True))
            yield key, default, field.description or ""


def _section(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _shown(default: Any) -> str:
    text = json.dumps(default)
    return text if len(text) <= 30 else f"{text[:12]} ... {text[-8:]}"
