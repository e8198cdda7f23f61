"""Numbers and nouns in messages."""

import pytest

from edgewing.words import counted, with_article


@pytest.mark.parametrize(
    ("number", "several", "expected"),
    [
        (1, "pairs", "1 pair"), (2, "pairs", "2 pairs"), (0, "faces", "0 faces"), (1, "faces", "1 face"),
        (1, "identities", "1 identity"), (1, "boxes", "1 box"), (1.0, "epochs", "1 epoch"),
        (0.5, "minutes", "0.5 minutes"), (1, "pictures without points", "1 picture without points"),
    ],
)  # fmt: skip
def test_one_is_no_plural(number, several, expected):
    assert counted(number, several) == expected


def test_an_before_a_vowel():
    assert [with_article(noun) for noun in ("arrow", "face", "Ear", "onnx int8")] == [
        "an arrow", "a face", "an Ear", "an onnx int8",
    ]  # fmt: skip
