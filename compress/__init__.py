"""compress: a run in, a smaller run out."""
