"""What leaves the house: one zip for a repository of data, and a folder for a journal."""
