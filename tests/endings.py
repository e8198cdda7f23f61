"""Runs commands one after the other in one process, because imports are slow: how each ended, as JSON.

Standard input: a JSON list of [module with main, words]. Standard output: a list of [exit code, stdout, stderr].
"""

import importlib
import json
import os
import sys
import tempfile


def ending(module: str, words: list[str]) -> tuple[int, str, str]:
    """The exit code, and what was said on both streams, libraries in C included."""
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        try:
            code = importlib.import_module(module).main(words) or 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            for number, old in zip((1, 2), kept):
                os.dup2(old, number)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return code, *texts


if __name__ == "__main__":
    found = [ending(module, words) for module, words in json.load(sys.stdin)]
    json.dump(found, sys.stdout)
