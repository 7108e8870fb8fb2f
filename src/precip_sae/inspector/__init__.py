"""The Inspector: one page in which a reader sees networks learn and what their SAEs make of them."""
