"""Labelled pictures: MNIST, folders, CSV files, and collections of handwriting."""
