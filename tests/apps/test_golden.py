"""The committed vectors are what the reference makes, and every language has a test that reads them."""

import json

from tests.apps import golden


def test_the_file_is_what_the_reference_makes():
    written = json.loads(golden.FILE.read_text())
    assert golden.same(written, golden.made()), "type: python -m tests.apps.golden"
    assert golden.FILE.stat().st_size < 300e3


def test_another_answer_is_another():
    vectors = json.loads(golden.FILE.read_text())
    vectors["steady"][0]["samples"][3]["steady"][2] += 1e-3
    assert not golden.same(json.loads(golden.FILE.read_text()), vectors)
    assert golden.count(vectors) > 70
