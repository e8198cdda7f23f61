"""The corpus of the fuzzing, read without atheris: small, no file breaks a reader, and of each kind one is accepted."""

import pytest

from tests.edgewing.fuzz.readers import CORPUS, READERS, accepts

LARGEST, ALTOGETHER = 4096, 100_000


def test_it_is_small():
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert max(sizes) < LARGEST and sum(sizes) < ALTOGETHER
    assert {path.name for path in CORPUS.iterdir()} == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_every_input_is_an_answer(name):
    accepted = {path.name for path in sorted((CORPUS / name).iterdir()) if accepts(name, path.read_bytes())}
    assert accepted, "nothing gets past the first lines of this reader"


@pytest.mark.parametrize("name", READERS)
def test_every_cut_and_every_byte_is_an_answer(name):
    """What the fuzzing does first."""
    for path in sorted((CORPUS / name).iterdir()):
        data = path.read_bytes()
        for at in range(0, len(data), max(1, len(data) // 40)):
            accepts(name, data[:at])
            accepts(name, data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
