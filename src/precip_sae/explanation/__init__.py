"""Anybody's network explained from Python or the command line, without a task file: `precip_sae.explain`."""
