"""Points and EXIF: the white dots of the stored picture lie under the points of the upright one."""

import numpy as np
import pytest
from PIL import Image

from edgewing import layouts
from edgewing.errors import InputError
from tests.train.data.folders import face, write_faces, write_pts
from train import __main__ as train
from train import data, recipes
from train.data import cache
from train.data.frames import Frames
from train.data.samples import Sample
from train.sources import open_cache
from train.workers import Workers

LAYOUT = layouts.get("300w-68")


def write_turned(folder, orientation: int, stem: str = "a"):
    """A face with points of the stored pixels, in a JPEG that EXIF turns."""
    image, landmarks = face(68, 3)
    folder.mkdir(exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(folder / f"{stem}.jpg", quality=98, exif=exif)
    write_pts(folder / f"{stem}.pts", landmarks)
    return landmarks


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_of_stored_pixels_are_turned_with_them(tmp_path, orientation):
    write_turned(tmp_path / "set", orientation)
    (sample,) = data.read_samples(tmp_path / "set", "300w-68", points_frame="stored").samples
    x, y = sample.landmarks.astype(int).T
    assert (data.load_image(sample)[y, x] > 150).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_left_stays_left_as_it_is_seen(orientation, tmp_path):
    """A mirrored picture was labelled as it was seen: point 36, the eye corner on the left, is on the left again."""
    landmarks = write_turned(tmp_path / "set", orientation)
    (sample,) = data.read_samples(tmp_path / "set", "300w-68", points_frame="stored").samples
    upright = {1: (0, 0), 2: (159, 0), 3: (159, 119), 4: (0, 119), 5: (0, 0), 6: (119, 0), 7: (119, 159), 8: (0, 159)}
    x, y = landmarks[LAYOUT.flip_index[36] if orientation in (2, 4, 5, 7) else 36]
    along, down = (x, y) if orientation < 5 else (y, x)
    corner = upright[orientation]
    expected = [abs(corner[0] - along), abs(corner[1] - down)]
    np.testing.assert_allclose(sample.landmarks[36], expected, atol=1e-4)


def test_boxes_and_flags_go_along(tmp_path):
    landmarks = write_turned(tmp_path / "set", 5)
    visibility = np.where(np.arange(68) == 36, 1, 2).astype(np.uint8)
    box = np.array([10, 20, 30, 60], np.float32)
    sample = Sample(tmp_path / "set/a.jpg", landmarks, "g", "s", "n", box, visibility=visibility)
    turned = Frames("stored").upright(sample, LAYOUT)
    np.testing.assert_array_equal(turned.box, [20, 10, 60, 30])
    assert np.flatnonzero(turned.visibility == 1).tolist() == [45]
    assert Frames("upright").upright(sample, LAYOUT) is sample


def test_they_are_counted_wherever_pictures_are_read(tmp_path, capsys):
    write_turned(tmp_path / "set", 6)
    write_turned(tmp_path / "set", 1, "b")
    said = []
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, data=(str(tmp_path / "set"),))
    one = open_cache(recipe, tmp_path / "cache", Workers(), said.append)
    assert "EXIF turns 1 of 2 pictures" in " ".join(said) and "--points-frame stored" in " ".join(said)
    stored = recipes.replace(recipe, points_frame="stored")
    other = open_cache(stored, tmp_path / "cache", Workers(), said.append)
    assert isinstance(other, cache.Cache) and other.folder != one.folder
    assert "turns 1 of 2 pictures and their points with them" in said[-1]
    assert train.main(["data", "check", str(tmp_path / "set")]) == 0
    assert "EXIF turns 1 of 2 pictures" in capsys.readouterr().out


def test_pictures_without_exif_are_not_mentioned(tmp_path):
    write_faces(tmp_path, ["a", "b"])
    assert "EXIF" not in " ".join(data.read_samples(tmp_path, "300w-68").summary)


def test_an_unknown_frame_is_one_line(tmp_path):
    write_faces(tmp_path, ["a"])
    with pytest.raises(InputError, match="unknown frame of points 'store'; did you mean 'stored'"):
        data.read_samples(tmp_path, "300w-68", points_frame="store")
    with pytest.raises(InputError, match="points_frame 'store' is not one of upright, stored"):
        recipes.replace(recipes.get("mobile"), points_frame="store")
