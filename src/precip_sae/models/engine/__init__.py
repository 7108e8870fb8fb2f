"""The study's models, trained thousands at a time: compiled, strictly rounded, the same bytes everywhere.

`reference` says how one model is trained; this does the same, faster. `kernels` holds the compiled loops, `train`
feeds them, `moments` asks the trained models what a search has to know.
"""

from precip_sae.models.engine.autoencoders import train_saes
from precip_sae.models.engine.networks import hidden_activations, train_mlps

__all__ = ["hidden_activations", "train_mlps", "train_saes"]
