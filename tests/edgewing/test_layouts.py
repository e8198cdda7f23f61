"""Tables that a typing error would spoil silently: points, mirror pairs, curves, normalisers, maps."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError

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


def test_the_data_file_is_json_without_duplicates():
    def pairs(found):
        assert len({key for key, _ in found}) == len(found)
        return dict(found)

    json.loads((Path(layouts.__file__).parent / "layouts.json").read_text(), object_pairs_hook=pairs)
