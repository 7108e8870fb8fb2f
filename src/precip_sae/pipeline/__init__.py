"""Runs the notebooks as stages: what they are, how they run, what is kept of them."""
