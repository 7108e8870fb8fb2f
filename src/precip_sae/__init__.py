"""Sparse autoencoders on networks trained on precipitation observations, as a paper that rebuilds itself."""
