"""Toy models of superposition: networks whose features are known, and whether dictionaries find them."""
