"""The committed vectors are what the reference makes, and every language has a test that reads them."""

import json
import re

from tests.apps import golden


def test_the_file_is_what_the_reference_makes():
    written = json.loads(golden.FILE.read_text())
    assert golden.same(written, golden.made()), "type: python -m tests.apps.golden"
    assert golden.FILE.stat().st_size < 300e3


def test_the_browsers_numbers_are_pythons():
    assert json.loads(golden.CONSTANTS.read_text()) == json.loads(json.dumps(golden.constants())), (
        "type: python -m tests.apps.golden"
    )


def test_another_answer_is_another():
    vectors = json.loads(golden.FILE.read_text())
    for kind in golden.FALSIFIED:
        assert not golden.same(vectors[kind], golden.falsified(kind))
    assert golden.count(vectors) > 70


def test_the_page_counts_them():
    page = (golden.FILE.parents[1] / "docs/phones.md").read_text()
    counted = [int(count) for count in re.findall(r"(?m)^\| .* \| (\d+) \| reference \|", page)]
    assert counted == [golden.count({kind: ones}) for kind, ones in json.loads(golden.FILE.read_text()).items()]
