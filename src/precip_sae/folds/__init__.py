"""The folds of a cross-validated task, pooled: every row is tested once, and one page says what came out."""
