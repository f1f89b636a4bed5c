"""Scores of cells and images, equations (5) to (8): numpy only, no input or output, no randomness."""
