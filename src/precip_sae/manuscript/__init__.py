"""From results to numbers, tables, claims and the compiled manuscript."""
