"""Runs cells of a notebook in this process: IPython without Jupyter's messages between processes.

Takes cells from standard input, each a line of JSON with its `source`, and answers on standard output with a line of
JSON, its `execution_count` and `outputs` as a notebook holds them. Ends when its input closes, also within a cell:
whoever asked is then gone.
"""

import base64
import json
import os
import sys
import threading
from io import TextIOBase
from queue import SimpleQueue
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

Output = dict[str, Any]


class Printed(TextIOBase):
    """A stream whose text is put among the outputs of the cell that runs."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: list[Output]) -> None:
        self._name, self._outputs = name, outputs

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") == self._name:
            last["text"] += text
        elif text:
            self._outputs.append({"output_type": "stream", "name": self._name, "text": text})
        return len(text)


class Displayed(DisplayPublisher):
    """Puts what is displayed among the outputs."""

    shell: "NoZMQShell"

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: str | None = None,
        *,
        update: bool = False,
        **_: Any,
    ) -> None:
        if update:
            raise NotImplementedError("A displayed output cannot be changed here.")
        self.shell.outputs.append({"output_type": "display_data", "data": data, "metadata": metadata or {}})

    def clear_output(self, wait: bool = False) -> None:
        self.shell.outputs.clear()


class Returned(DisplayHook):
    """Puts the value of a cell's last line among the outputs."""

    shell: "NoZMQShell"

    def write_output_prompt(self) -> None:
        """Nothing: a notebook numbers its outputs itself."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        output = {"output_type": "execute_result", "execution_count": self.prompt_count}
        self.shell.outputs.append(output | {"data": format_dict, "metadata": md_dict or {}})

    def finish_displayhook(self) -> None:
        self._is_active = False


class NoZMQShell(InteractiveShell):
    """IPython as in a notebook.

    pandas takes a shell for a notebook's by the letters `zmq` in its name, and by an attribute `kernel`.

    Attributes:
        outputs: of the cell that runs.
    """

    kernel = None
    display_pub_class = Type(Displayed)
    displayhook_class = Type(Returned)

    def __init__(self, **options: Any) -> None:
        self.outputs: list[Output] = []
        super().__init__(**options)

    def enable_gui(self, gui: str | None = None) -> None:
        """Nothing: no windows are opened."""

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        told = {"ename": etype.__name__, "evalue": str(evalue), "traceback": stb}
        self.outputs.append({"output_type": "error", **told})

    def show_usage_error(self, exc: BaseException) -> None:
        """An error like any other: IPython only prints it, and the cell would pass for one that did what it should."""
        self._showtraceback(type(exc), exc, [f"UsageError: {exc}"])

    def ran(self, source: str) -> dict[str, Any]:
        """Runs a cell; returns its number and outputs."""
        self.outputs.clear()
        number = self.execution_count
        self.run_cell(source, store_history=True)
        return {"execution_count": number, "outputs": self.outputs}


def main() -> None:
    """Answers until the input closes."""
    asked: SimpleQueue[str] = SimpleQueue()
    told, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    # what a cell, or a library past Python's streams, reads and writes is no part of the exchange
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def listen() -> None:
        for line in told:
            asked.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    # no history of one's own commands
    shell = NoZMQShell.instance(config=Config({"HistoryManager": {"enabled": False, "hist_file": ":memory:"}}))
    sys.stdout, sys.stderr = Printed("stdout", shell.outputs), Printed("stderr", shell.outputs)
    while True:
        answer = shell.ran(json.loads(asked.get())["source"])
        answers.write(json.dumps(answer, default=_as_text) + "\n")
        answers.flush()


def _as_text(value: Any) -> str:
    """Bytes, of a picture, as a notebook holds them."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is nothing that a notebook can hold.")


if __name__ == "__main__":
    main()
