"""train: points and photographs in, a float network and its contract out."""
