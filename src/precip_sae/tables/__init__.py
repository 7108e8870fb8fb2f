"""Anybody's table: from a file, whatever its format, to the columns that a task uses, in its names and units."""
