import json
import os
import threading

import pytest

from edgewing import row_fields, rows
from edgewing.errors import InputError


def a_row(**more):
    artefact = {"path": "x.onnx", "sha256": "0" * 64, "bytes": 1}
    words = {"not_run": "needs a Mac"}  # what makes a row with few fields whole
    return rows.header("accuracy", artefact, {"faces": 1}, "python -m bench accuracy") | words | more


def test_rows_come_back_in_order(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    for i in range(3):
        rows.append(path, a_row(nme=i / 10))
    found, problems = rows.read(path)
    assert [row["nme"] for row in found] == [0.0, 0.1, 0.2] and problems == []


def test_header_says_everything(tmp_path):
    row = a_row()
    assert rows.check(row) is row
    assert row["date"].endswith("Z") and row["machine"]["cores"] >= 1 and row["machine"]["cpu"]
    assert "python" in row["versions"] and "numpy" in row["versions"]


def test_broken_lines_cost_themselves_and_are_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.append(path, a_row(nme=0.1))
    with open(path, "a") as stream:
        stream.write('{"kind": "accuracy"}\n[1]\n\n{"kind": "accur')  # the last one cut off by a kill
    rows.append(path, a_row(nme=0.2))
    found, problems = rows.read(path)
    assert [row["nme"] for row in found] == [0.1, 0.2]
    assert [p.split(": ")[0] for p in problems] == [f"{path}:{n}" for n in (2, 3, 5)]
    assert "without date" in problems[0] and "not a JSON object" in problems[1]


def test_writers_do_not_mix(tmp_path):
    path = tmp_path / "rows.jsonl"
    text = "x" * 50_000

    def write(i):
        for _ in range(5):
            rows.append(path, a_row(text=text, writer=i))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, problems = rows.read(path)
    assert len(found) == 20 and problems == []


def test_incomplete_rows_are_not_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = a_row()
    del row["machine"]
    with pytest.raises(InputError, match="without machine"):
        rows.append(path, row)
    with pytest.raises(InputError, match="kind 'speed'"):
        rows.append(path, a_row(kind="speed"))
    assert not path.exists()


@pytest.mark.parametrize("value", ["abc", 5, {"0": 1}])
def test_what_is_no_list_is_none(value):
    assert row_fields.fault({"per_point": value}, {"per_point": [row_fields.maybe(row_fields.amount)]}) == "per_point"
    assert row_fields.fault({"per_point": []}, {"per_point": [row_fields.maybe(row_fields.amount)]}) is None


def test_texts_are_written_as_a_terminal_can_show_them(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.append(path, a_row(not_run="\x1b[2J\ud800 gone", more={"\n": ["a\tb"]}))
    (row,) = rows.read(path)[0]
    assert row["not_run"] == "\ufffd[2J\ufffd gone" and row["more"] == {"\ufffd": ["a\ufffdb"]}


def test_what_is_no_number_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(a_row(nme=float("nan"))) + "\n")
    assert rows.read(path) == ([], [f"{path}:1: NaN is not a number"])


def test_no_file_says_how_to_make_it(tmp_path):
    with pytest.raises(InputError, match="python -m bench measure"):
        rows.read(tmp_path / "rows.jsonl")


def test_what_is_not_finite_becomes_null():
    value = rows.finite({"a": [1.0, float("inf")], "b": (float("nan"), "x")})
    assert json.dumps(value, allow_nan=False) == '{"a": [1.0, null], "b": [null, "x"]}'


def test_unwritable_place_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        rows.append(blocked / "rows.jsonl", a_row())
    assert os.listdir(tmp_path) == ["file"]
