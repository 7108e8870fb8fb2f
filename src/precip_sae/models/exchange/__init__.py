"""Networks that were not trained here, in one form: read from the files of several libraries, and written for them.

`network` says what a network is, `read` finds the reader that a file needs. Each format has a file of its own: `page`
(the study's JSON), `folders` (this package's), `onnx_graph`, `torch_files` and `keras_files`; `libraries` takes a model
of scikit-learn, Keras or torch from memory, and `recorded` the activations of a layer without any network. Nothing is
ever unpickled.
"""

from precip_sae.models.exchange.network import History, Input, Layer, Network
from precip_sae.models.exchange.page import read_published
from precip_sae.models.exchange.read import read_network

__all__ = ["History", "Input", "Layer", "Network", "read_network", "read_published"]
