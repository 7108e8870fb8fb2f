"""YAML of bounded size: a file of a few lines may stand for billions of values, and is refused before they are made."""

import copy
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

MOST_VALUES = 100_000  # that anchors may stand for; the paper's own files hold some hundred values


def load_yaml(text: str) -> Any:
    """The values of a YAML 1.2 document.

    Raises:
        YAMLError: it is not YAML, is nested too deeply, or repeats its anchors too often (or within themselves).
    """
    try:
        return copy.deepcopy(_values(text))
    except RecursionError as error:
        raise YAMLError("its values are nested too deeply") from error


@lru_cache(maxsize=8)
def _values(text: str) -> Any:
    """What `load_yaml` gives out copies of: a stage reads the same two files again and again."""
    # only a value that is named and repeated makes more of a file than stands in it
    if "&" in text and "*" in text:
        _refuse_explosion(YAML(typ="safe", pure=True).compose(text))
    return YAML(typ="safe", pure=True).load(text)


def _refuse_explosion(document: Node | None) -> None:
    """Counts what a document stands for, each anchor once, so that counting takes no longer than reading.

    Raises:
        YAMLError: it is more than `MOST_VALUES`, or endless.
    """
    counted: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: Node) -> int:
        if id(node) in open_nodes:
            raise YAMLError("an anchor stands within itself")
        if id(node) not in counted:
            open_nodes.add(id(node))
            inside: list[Node] = []
            if isinstance(node, MappingNode):
                inside = [each for pair in node.value for each in pair]
            elif isinstance(node, SequenceNode):
                inside = node.value
            counted[id(node)] = 1 + sum(count(each) for each in inside)
            open_nodes.remove(id(node))
        if counted[id(node)] > MOST_VALUES:
            raise YAMLError(f"its anchors stand for more than {MOST_VALUES} values")
        return counted[id(node)]

    if document is not None:
        count(document)
