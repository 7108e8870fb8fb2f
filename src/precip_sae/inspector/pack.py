"""Arrays as one run of bytes, and what refers to them, so that a page holds numbers and not their decimals."""

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# numpy's name: the name in the page, see page/content.js
KINDS = {"float32": "f4", "float64": "f8", "int32": "i4"}
ALIGNMENT = 8  # bytes: a typed array in JavaScript starts at a multiple of its item's size


@dataclass
class Packer:
    """Collects arrays; equal ones are kept once."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    known: dict[tuple[str, bytes], dict[str, Any]] = field(default_factory=dict)

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Keeps an array, little-endian, and returns its reference: where it starts, its kind and its shape.

        Raises:
            ValueError: its numbers are of no kind that the page reads.
        """
        if array.dtype.name not in KINDS:
            raise ValueError(f"the array holds {array.dtype.name}, expected {', '.join(KINDS)}")
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        key = (f"{array.dtype.name}{array.shape}", content)
        if key not in self.known:
            reference = {"at": self.size, "kind": KINDS[array.dtype.name], "shape": list(array.shape)}
            padded = content + bytes(-len(content) % ALIGNMENT)
            self.pieces.append(padded)
            self.size += len(padded)
            self.known[key] = reference
        return self.known[key]

    def text(self) -> str:
        """All bytes in base64."""
        return base64.b64encode(b"".join(self.pieces)).decode("ascii")
