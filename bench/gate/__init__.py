"""Whether a changed file is worse or slower than the one in use."""
