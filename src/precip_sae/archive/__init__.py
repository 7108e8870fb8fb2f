"""The real archive: its daily files, read into the table of observations, and written from a simulation."""
