"""Training on one GPU: a thread per model, the same arithmetic in the same order, and so the same bytes.

`loops.cu` holds the loops of `engine.kernels` in CUDA C++, compiled for one size of model; `cuda` compiles and starts
them with CuPy; `training` trains many networks and SAEs with them.
"""
