"""The simulator: weather, microphysics and instruments make a table of observations whose hidden state is known."""
