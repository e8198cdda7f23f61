"""The page of engines is what its rows say."""

from pathlib import Path

import pytest

from bench.report import engines
from edgewing.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
ROWS, PAGE = "bench/results/engines.jsonl", "docs/engines.md"


def test_the_page_is_made_of_its_rows():
    found, raced = engines.last(ROOT / ROWS), engines.races(ROOT / ROWS)
    assert engines.page(found, raced, ROWS, PAGE) == (ROOT / PAGE).read_text()
    names = [line[0] for line in engines.lines(found, raced)]
    assert len(names) == len(set(names)) >= 9 and all(row["accepted"] for row in found)


def test_the_last_row_of_a_file_counts(tmp_path):
    lines = (ROOT / ROWS).read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join([lines[0].replace('"shift_p99_px":', '"shift_p99_px":9'), *lines]))
    assert engines.last(tmp_path / "rows.jsonl") == engines.last(ROOT / ROWS)


def test_rows_of_other_kinds_are_one_line(tmp_path):
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(InputError, match="no row of `python -m targets`"):
        engines.last(tmp_path / "rows.jsonl")
