"""The page reads a model's contract out of its .tflite, and refuses what it cannot obey."""

import dataclasses
import json

import pytest

from edgewing import containers, models


@pytest.fixture(scope="module")
def file():
    import numpy as np

    return np.fromfile(models.path("edgewing-s", "tflite"), np.uint8)


def test_it_is_the_one_that_python_reads(ask, file):
    expected = json.loads(json.dumps(dataclasses.asdict(containers.read_contract(models.path("edgewing-s", "tflite")))))
    found = ask("contract.read", file)
    for key in ("layout", "decode"):  # Python adds what older files leave out
        assert found.pop(key).items() <= expected.pop(key).items()
    assert found == expected


def test_a_changed_bit_breaks_the_seal(ask, file):
    broken = file.copy()
    broken[len(broken) // 2] ^= 1
    with pytest.raises(RuntimeError, match="damaged"):
        ask("contract.read", broken)


@pytest.mark.parametrize("size", [0, 3, 7, 100, 5000, 300_000])
def test_a_file_that_is_cut_off(ask, file, size):
    with pytest.raises(RuntimeError, match="cut off|no contract"):
        ask("contract.read", file[:size])


def test_a_model_of_others(ask):
    import numpy as np

    from edgewing import detection

    other = detection.BLAZEFACE["blazeface-short"].path
    with pytest.raises(RuntimeError, match="no contract inside"):
        ask("contract.read", np.fromfile(other, np.uint8))


@pytest.mark.parametrize(
    ("found", "put", "words"),
    [
        (b'"schema":2', b'"schema":9', "read here is 2"),
        (b'"dtype":"uint8"', b'"dtype":"int8" ', "uint8 or float32"),
        (b'"meaning":"scores"', b'"meaning":"scored"', "no output for scores"),
    ],
)
def test_what_it_cannot_obey_it_refuses(ask, file, found, put, words):
    import numpy as np

    data = file.tobytes()
    assert data.count(found) >= 1 and len(found) == len(put)
    with pytest.raises(RuntimeError, match=words):
        ask("contract.read", np.frombuffer(data.replace(found, put), np.uint8))
