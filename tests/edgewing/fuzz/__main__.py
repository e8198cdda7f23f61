"""Coverage-guided fuzzing of the readers: python -m tests.edgewing.fuzz [--seconds 3600] [READER...]

Needs atheris (requirements/fuzz.txt). The time is shared by the readers. What is found on the way is kept in runs/fuzz
and gone on from; an input that breaks a reader ends the run, and is to be mended and added to corpus/ as a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOUND = Path("runs/fuzz")
LARGEST = 4096  # bytes of an input


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    from tests.edgewing.fuzz.readers import READERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=3600, help="for all of them together (default: %(default)s)")
    arguments = parser.parse_args()
    chosen = arguments.readers or list(READERS)
    for name in chosen:
        grown = FOUND / name
        grown.mkdir(parents=True, exist_ok=True)
        # A minute, by wall clock: a machine that stands still for seconds must not look like a reader that hangs.
        limits = [f"-max_total_time={max(1, arguments.seconds // len(chosen))}", f"-max_len={LARGEST}", "-timeout=60"]
        kept = [f"-artifact_prefix={FOUND}/{name}-", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]
        words = ["--one", name, *limits, *kept, str(grown), str(Path(__file__).with_name("corpus") / name)]
        print(f"fuzz: {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", "tests.edgewing.fuzz", *words])
        if done.returncode:
            sys.exit(f"error: {name} broke; the input is {FOUND}/{name}-*; mend it and add it to the corpus")


def fuzz(name: str, words: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["edgewing"]):
        from tests.edgewing.fuzz import readers

    def one(data: bytes) -> None:
        readers.accepts(name, data)

    atheris.Setup([sys.argv[0], *words], one)
    atheris.Fuzz()


main()
