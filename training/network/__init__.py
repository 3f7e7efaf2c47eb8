"""The article's network: in PyTorch, in NumPy, with more weights for training, and in a run's folder."""
