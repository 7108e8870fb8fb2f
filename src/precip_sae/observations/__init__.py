"""Observations: the columns of the table, its labels, and a simulator of it."""
