"""The front, its knee, and the picture, on points invented for it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import ladder, pareto
from bench.measuring import How, Point

SVG = "{http://www.w3.org/2000/svg}"


def point(run, ms, nme, precision="int8", accepted=True, size=1000):
    return Point(run, precision, Path(run, "export", f"{run}.tflite"), nme, 0.0, 0.5, ms, ms, size, accepted)


def test_the_front_is_what_nothing_beats():
    points = [point("d", 8, 0.02), point("a", 1, 0.05), point("x", 2, 0.06), point("b", 2, 0.03), point("y", 8, 0.03)]
    assert [p.run for p in pareto.front(points)] == ["a", "b", "d"]
    assert [p.run for p in pareto.front([point("a", 1, 0.05), point("b", 1, 0.04)])] == ["b"]


def test_the_knee_is_farthest_from_the_chord():
    """Ends (1 ms, 4 %) and (16 ms, 1 %): by hand, in logarithms to base 4 over the front, b is at (1/4, 1/4), c at
    (3/4, 1/5); the distances below the chord x + y = 1 go as 1/2 and 1/20."""
    points = [point("a", 1, 0.04), point("b", 2, 0.01 * 4**0.25), point("c", 8, 0.01 * 4**0.2), point("d", 16, 0.01)]
    assert pareto.knee(points).run == "b"
    # A factor on all times or errors changes nothing.
    assert pareto.knee([point(p.run, 7 * p.ms, 3 * p.nme) for p in points]).run == "b"
    # What is not on the front does not count.
    assert pareto.knee([*points, point("x", 3, 0.039)]).run == "b"


def test_a_short_front_has_no_bend():
    assert pareto.knee([point("a", 1, 0.04), point("b", 2, 0.03)]).run == "b"
    assert pareto.knee([point("a", 1, 0.04)]).run == "a"


@pytest.mark.parametrize("accepted", [True, False])
def test_the_picture_has_what_passed_or_all(accepted):
    points = [
        point("a", 1, 0.04, accepted=accepted),
        point("b", 2, 0.02, "fp16", accepted),
        point("x", 3, 0.01, accepted=False),
    ]
    names = [text.text for text in ElementTree.fromstring(pareto.picture(points, "files")).iter(f"{SVG}title")]
    assert [name.split(":")[0] for name in names] == ["a int8", "b fp16", "x int8"][: 2 if accepted else 3]


def runs_of(points, folder):
    """The same points with folders, so that a stage can be read from them."""
    found = []
    for p in points:
        run = folder / p.run
        (run / "export").mkdir(parents=True, exist_ok=True)
        (run / "pruned.safetensors").touch()
        found.append(Point(**vars(p) | {"path": run / "export" / f"{p.run}-{p.precision}.tflite"}))
    return found


def test_the_ladder_says_what_is_beaten_and_what_int8_costs(tmp_path):
    points = runs_of(
        [
            point("one", 8, 0.04, "fp16"), point("one", 4, 0.041), point("two", 6, 0.044, "fp16"),
            point("two", 3, 0.05), point("three", 2, 0.03, "fp16", accepted=False),
        ],
        tmp_path,
    )  # fmt: skip
    (tmp_path / "two/ranges.json").touch()
    lines = ladder.table_lines(points)
    assert [line[0] for line in lines] == ["one (pruned)"] * 2 + ["two (QAT)"] * 2 + ["three (pruned)"]
    assert [line[-1] for line in lines] == [
        "nothing better", "nothing better", "beaten by one int8", "nothing better", "rejected by its gate",
    ]  # fmt: skip
    assert [line[-2] for line in lines] == ["", "+2.5 % NME", "+10.0 % NME", "+25.0 % NME", "-25.0 % NME"]
    advice = ladder.recommendation(points).splitlines()
    assert advice[0] == "int8 against fp16, one: +2.50 % NME, 0.50 of the time"
    assert advice[-1].startswith("recommended: one int8 (4.10 %, 4.000 ms") and "the knee of 3 files" in advice[-1]
    page = ladder.markdown(lines, "\n".join(advice), How(tmp_path / "rows.jsonl"))
    assert page.count("\n| ") == len(lines) + 1 and "validation faces" in page
    rejected = runs_of([point("x", 1, 0.1, accepted=False)], tmp_path)
    assert "none; every file failed its gate" in ladder.recommendation(rejected)
