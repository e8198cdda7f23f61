"""Rows that somebody has changed: every reader of them says so in a line, and none falls over."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import main
from bench.report import publish
from edgewing import row_fields, rows
from tests.bench.report.test_publish import measured, with_rows  # noqa: F401

RESULTS = Path(publish.__file__).parents[1] / "results"
VALUES = (
    None,
    True,
    -1,
    0,
    3,
    0.5,
    1e308,
    10**30,
    float("nan"),
    "",
    "<b>",
    "x" * 5000,
    "\ud800",
    [],
    [None],
    {},
    {"": {}},
)


def places(value, path=()):
    """The path of every value inside, lists by their first part alone."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in list(parts)[:12]:
        yield from places(inner, (*path, key))


def changed(row, path, value):
    """The row with another value at a path; without it where the value is ``places`` itself."""
    copied = copy.deepcopy(row)
    *above, last = path
    inside = copied
    for key in above:
        inside = inside[key]
    if value is places:
        del inside[last]
    else:
        inside[last] = value
    return copied


def test_every_committed_row_is_of_its_kind():
    seen = set()
    for path in RESULTS.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if row.get("kind") in rows.KINDS:
                assert row_fields.wrong(row) is None, path
                seen.add(row["kind"])
    assert seen == set(rows.KINDS) - {"gate"}


@pytest.mark.parametrize("changes", [50, pytest.param(300, marks=pytest.mark.full)])
def test_single_changes_of_rows_are_a_line_of_the_report(with_rows, capsys, changes):  # noqa: F811
    whole = (with_rows / "rows.jsonl").read_text().splitlines()
    peers = [line for line in (RESULTS / "peers.jsonl").read_text().splitlines() if '"kind":"peer"' in line]
    random = np.random.default_rng(changes)
    known = [(i, path) for i, line in enumerate(whole) for path in places(json.loads(line)) if path]
    known += [(-1, path) for path in places(json.loads(peers[-1])) if path]
    capsys.readouterr()
    for _ in range(changes):
        i, path = known[random.integers(len(known))]
        value = (*VALUES, places)[random.integers(len(VALUES) + 1)]
        lines, others = list(whole), list(peers)
        of = others if i < 0 else lines
        of[i] = json.dumps(changed(json.loads(of[i]), path, value))
        (with_rows / "rows.jsonl").write_text("\n".join(lines) + "\n")
        (with_rows / "peers.jsonl").write_text("\n".join(others) + "\n")
        try:
            code = main(["report", str(with_rows), "--peers", str(with_rows / "peers.jsonl")])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert code in (1, 2), (path, value)  # 1: the fixture's int8 file is a rejected one
        assert "Traceback" not in said.err and (code == 1 or said.err.count("error: ") == 1), (path, value, said.err)


@pytest.mark.parametrize(
    ("field", "value"),
    [("nme", "3 %"), ("nme", float("nan")), ("p50_ms", -1), ("machine", {}), ("ced", {"thresholds": [0], "share": []})]
    + [("percentiles_ms", [1.0, 2.0]), ("face_errors", {"a": True}), ("artefact", {"path": 1}), ("kind", ["accuracy"])],
)
def test_a_field_of_another_kind_costs_its_row(with_rows, field, value):  # noqa: F811
    path = with_rows / "rows.jsonl"
    whole = [json.loads(line) for line in path.read_text().splitlines()]
    at = next(i for i, row in enumerate(whole) if field in row)
    whole[at] = whole[at] | {field: value}
    path.write_text("".join(json.dumps(row) + "\n" for row in whole))
    found, problems = rows.read(path)
    assert len(found) == len(whole) - 1 and len(problems) == 1 and problems[0].startswith(f"{path}:{at + 1}: ")
    assert field in problems[0] or "NaN" in problems[0]
