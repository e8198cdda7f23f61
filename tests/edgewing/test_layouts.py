"""Tables that a typing error would spoil silently: points, mirror pairs, curves, normalisers, maps."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError

FILES = sorted((Path(layouts.__file__).parent / "layout_files").glob("*.json"))
NAMES = ["300w-68", "wflw-98", "cofw-29", "aflw-19", "lsp-14"]
each = pytest.mark.parametrize("layout", layouts.table().values(), ids=lambda layout: layout.name)


def test_names_and_counts():
    assert set(layouts.table()) == set(NAMES)
    assert all(layout.points == int(name.split("-")[1]) for name, layout in layouts.table().items())


@each
def test_flip_is_an_involution(layout):
    index = layout.flip_index
    assert sorted(index) == list(range(layout.points))
    assert np.array_equal(index[index], np.arange(layout.points))
    assert len({p for pair in layout.flip_pairs for p in pair}) == 2 * len(layout.flip_pairs)


@each
def test_curves_mirror_into_curves(layout):
    index = layout.flip_index
    curves = {frozenset(curve) for curve in layout.curves.values()}
    assert {frozenset(int(index[p]) for p in curve) for curve in curves} == curves
    assert all(0 <= p < layout.points for curve in curves for p in curve)
    edges = {frozenset(e) for e in layout.edges}
    assert {frozenset(int(index[p]) for p in e) for e in edges} == edges


@each
def test_normalisers_are_mirror_images(layout):
    assert layout.default_normaliser in layout.normalisers
    for ends in layout.normalisers.values():
        if isinstance(ends, str):
            assert ends in ("landmarks", "dataset")
        else:
            first, second = (set(group) for group in ends)
            # lsp-14 measures the torso, left shoulder to right hip, which is no mirror image of itself
            if layout.name != "lsp-14":
                assert {int(layout.flip_index[p]) for p in first} == second


@each
def test_channels(layout):
    assert layout.channels == layout.points + (1 if layout.curves else 0)
    assert layout.has_boundary == (layout.name != "lsp-14")


@each
def test_maps_agree_with_mirroring(layout):
    """What means the same still does so in a mirrored face."""
    for name in layout.maps:
        other, index = layouts.get(name), layout.map_to(name)
        assert index.shape == (other.points,) and index.min() >= 0 and index.max() < layout.points
        assert np.array_equal(layout.flip_index[index], index[other.flip_index])


def test_eye_corners_of_the_protocols():
    """method.md section 7: 68 points 36-45, WFLW 60-72, COFW pupils 16-17."""
    assert layouts.get("300w-68").normalisers["inter-ocular"] == ((36,), (45,))
    assert layouts.get("wflw-98").normalisers["inter-ocular"] == ((60,), (72,))
    assert layouts.get("cofw-29").normalisers["inter-pupil"] == ((16,), (17,))
    assert layouts.get("cofw-29").default_normaliser == "inter-pupil"


def test_a_real_face_mirrors_onto_itself():
    """Flip pairs of the 68: on a frontal face, mirrored points lie near their partners."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "lfpw" / "trainset"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data (real photographs, not in the repository)")
    layout, shapes = layouts.get("300w-68"), []
    for path in sorted(folder.glob("*.pts"))[:200]:
        text = path.read_text()
        points = np.array(text[text.index("{") + 1 : text.index("}")].split(), float).reshape(-1, 2)
        shapes.append((points - points.mean(axis=0)) / points.std())
    mean = np.mean(shapes, axis=0)
    mirrored = (mean * [-1, 1])[layout.flip_index]
    assert np.linalg.norm(mean - mirrored, axis=1).max() < 0.15  # the face is about 4 wide


def test_unknown_names_get_a_hint():
    with pytest.raises(InputError, match=r"unknown layout '300w68'; did you mean '300w-68'\?"):
        layouts.get("300w68")
    with pytest.raises(InputError, match="has no map to"):
        layouts.get("lsp-14").map_to("300w-68")


def test_the_files_are_json_without_duplicates():
    def pairs(found):
        assert len({key for key, _ in found}) == len(found)
        return dict(found)

    for path in FILES:
        json.loads(path.read_text(), object_pairs_hook=pairs)
    assert {path.stem for path in FILES} == set(NAMES)


CLOCK = {
    "name": "clock-5", "points": ["centre", "top", "right", "bottom", "left"], "flip_pairs": [["left", "right"]],
    "edges": [["centre", "top"]], "normalisers": {"width": ["left", "right"]}, "groups": {"rim": [1, 2, 3, 4]},
    "pck": 0.1,
}  # fmt: skip


def written(tmp_path, **changes):
    path = tmp_path / "clock.json"
    path.write_text(json.dumps({**CLOCK, **changes}))
    return str(path)


def test_a_layout_of_ones_own(tmp_path):
    layout = layouts.get(written(tmp_path))
    assert (layout.name, layout.points, layout.names[2], layout.pck) == ("clock-5", 5, "right", 0.1)
    assert layout.flip_index.tolist() == [0, 1, 4, 3, 2] and layout.edges == ((0, 1),)
    assert layout.default_normaliser == "width" and layout.normalisers["width"] == ((4,), (2,))
    assert not layout.has_boundary and layout.channels == 5
    again = layouts.parse(json.loads(json.dumps(dataclasses.asdict(layout))), "contract")
    assert again == layout and hash(again) == hash(layout)


def test_what_the_points_are_on(tmp_path):
    """Face detectors look for a face alone; contracts from before that could be said have layouts of the package."""
    assert [layout.object for layout in layouts.table().values()] == [*["face"] * 4, "person"]
    assert layouts.get(written(tmp_path)).object == "object"
    clock, own = (layouts.get(written(tmp_path, object=word)) for word in ("wall clock", "face"))
    assert (clock.object, clock.is_face, clock.several) == ("wall clock", False, "objects")
    assert own.is_face and own.several == "faces"
    names = "wflw-98", "lsp-14", "clock-5"
    assert [layouts.several(name) for name in names] == ["faces", "objects", "objects"]
    older = dataclasses.asdict(layouts.get("wflw-98"))
    del older["object"]
    assert layouts.parse(json.loads(json.dumps(older)), "contract") == layouts.get("wflw-98")


def test_the_least_that_a_layout_says(tmp_path):
    path = tmp_path / "least.json"
    path.write_text('{"name": "hand-21", "points": 21}')
    layout = layouts.get(str(path))
    assert layout.points == 21 and layout.default_normaliser == "box" and layout.flip_index.tolist() == list(range(21))


FAULTS = [
    ({"name": "a b"}, "name: expected"),
    ({"name": "300w-68"}, "is that of a layout of the package"),
    ({"points": []}, "points: expected"),
    ({"points": 5000}, "points: expected"),
    ({"points": ["a", "a", "b", "c", "d"]}, "names: 5 .4 different. for 5 points"),
    ({"flip_pairs": [["left", "right"], ["left", "top"]]}, "flip_pairs: point left is in two pairs"),
    ({"flip_pairs": [["left", "left"]]}, r"flip_pairs.0.: expected two different points"),
    ({"flip_pairs": [[0, 9]]}, r"flip_pairs.0.: unknown point 9; points are 0 to 4"),
    ({"flip_pairs": {"a": 1}}, "flip_pairs: expected a list of pairs"),
    ({"edges": [["centre", "nowhere"]]}, "edges.0.: unknown point 'nowhere'; no point has that name"),
    ({"curves": {"rim": ["top", "rihgt"]}}, "curves.rim: unknown point 'rihgt'"),
    ({"curves": {"rim": [0]}}, "curves.rim: expected a list of at least 2"),
    ({"normalisers": {"n": "boxes"}}, "normalisers.n: 'boxes' is not one of landmarks, diagonal, dataset"),
    ({"normalisers": {"n": [0, 0]}}, "normalisers.n: both ends are the same point"),
    ({"normalisers": {"n": [0, 1, 2]}}, "normalisers.n: expected two points"),
    ({"default_normaliser": "height"}, "default_normaliser: 'height' is not one of width"),
    ({"groups": {"rim": "all"}}, "groups.rim: expected a list"),
    ({"maps": {"cofw-29": [0, 1, 2]}}, "maps.cofw-29: 3 points, but cofw-29 has 29"),
    ({"pck": -1}, "pck: expected"),
    ({"object": ""}, "object: expected a word or two"),
    ({"object": ["face"]}, "object: expected a word or two"),
    ({"object": "a\nb"}, "object: expected a word or two"),
    ({"flip_pair": [[0, 1]]}, "unknown field .flip_pair.; did you mean .flip_pairs.?"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS, ids=lambda value: str(value)[:40])
def test_every_fault_is_a_line_that_names_the_field(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as error:
        layouts.get(written(tmp_path, **changes))
    assert "\n" not in str(error.value) and "clock.json: " in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"', "5"])
def test_what_is_no_layout_is_a_line(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="x.json"):
        layouts.get(str(tmp_path / "x.json"))


def test_the_schema_knows_the_files_and_most_faults(tmp_path):
    """The published schema takes what the reader takes; what a schema cannot say (unknown names) is the reader's."""
    schema = json.loads((Path(layouts.__file__).parent / "layout.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in FILES:
        validator.validate(json.loads(path.read_text()))
    validator.validate(CLOCK)
    beyond = (
        "two pairs",
        "unknown point",
        "same point",
        "default_normaliser",
        "different",
        "of the package",
        "but cofw",
    )
    for changes, message in FAULTS:
        if not any(word in message for word in beyond):
            assert not validator.is_valid({**CLOCK, **changes}), changes


def test_layouts_of_one_name_are_compared_by_their_points():
    one = layouts.parse({"name": "own", "points": ["a", "b", "c"]}, "one.json")
    turned = layouts.parse({"name": "own", "points": ["c", "a", "b"]}, "turned.json")
    assert one.map_to(turned).tolist() == [2, 0, 1] and turned.map_to(one).tolist() == [1, 2, 0]
    assert one.map_to(layouts.parse({"name": "own", "points": 3}, "numbered.json")).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="two layouts are called 'own', and one has no point 'd'"):
        one.map_to(layouts.parse({"name": "own", "points": ["a", "b", "d"]}, "other.json"))
    with pytest.raises(InputError, match="two layouts are called 'own', of 3 and of 2 points"):
        one.map_to(layouts.parse({"name": "own", "points": 2}, "fewer.json"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"points": ["\N{CYRILLIC SMALL LETTER ZHE}" * 40 + str(n) for n in range(300)]}, "shorter names"),
        ({"points": ["a", "b"], "curves": {"c": ["a", "a", "b"]}}, "curves.c: point 'a' twice in a row"),
        ({"points": ["a", "b"], "normalisers": {"n": [["a", "b"], ["b", "a"]]}}, "the distance would be zero"),
    ],
)
def test_what_no_training_could_end_with_is_said_at_once(tmp_path, parts, said):
    value = {"name": "own", **parts}
    (tmp_path / "own.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=said):
        layouts.load(tmp_path / "own.json")
    if said == "shorter names":
        assert layouts.parse(value, "a contract").points == 300  # which was once written
