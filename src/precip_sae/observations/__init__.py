"""The standard table of observations: its columns, the 5-minute processing, its labels, and what it is held to."""
