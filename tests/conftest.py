"""One thread for every test and the processes it starts: tiny networks gain nothing from more, and on a busy machine
threads that wait for one another take many times longer."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
