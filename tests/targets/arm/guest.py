"""Runs under emulation: `guest.py MODEL CROPS.npy OUT.npz THREADS`, an artefact's outputs as our runtime has them."""

import sys

import numpy as np

from edgewing import runtimes

model, crops, out, threads = sys.argv[1:]
runtime = runtimes.open(model, int(threads))
np.savez(out, description=str(runtime.description), **runtime.raw(np.load(crops)))
