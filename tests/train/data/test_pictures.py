"""Pictures without points, from folders and from tar files."""

import numpy as np
import pytest

from edgewing import images
from edgewing.errors import InputError
from tests.train.data.folders import write_shard
from train.data import pictures


def picture(value):
    image = np.full((20, 30, 3), value, np.uint8)
    image[:10] = 255 - value
    return image


def encoded(folder, value):
    path = folder / "one.png"
    images.write(path, picture(value))
    data = path.read_bytes()
    path.unlink()
    return data


def test_pictures_of_a_folder_and_of_its_shards_come_in_the_order_of_names(tmp_path):
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    images.write(folder / "b.png", picture(10))
    images.write(folder / "sub/z.jpg", picture(20))
    write_shard(
        folder / "a.tar", [("x/1.png", encoded(tmp_path, 30)), ("notes.txt", b"no"), ("2.png", encoded(tmp_path, 40))]
    )
    found = dict(pictures.read(folder))
    assert list(found) == ["a.tar/1.png", "a.tar/2.png", "b.png", "sub/z.jpg"]
    assert np.array_equal(found["a.tar/2.png"], picture(40)) and found["b.png"].shape == (20, 30, 3)


def test_every_picture_is_one_workers(tmp_path):
    for value in range(4):
        images.write(tmp_path / f"{value}.png", picture(value))
    write_shard(tmp_path / "a.tar", [(f"{n}.png", encoded(tmp_path / "..", n)) for n in range(3)])
    shares = [[name for name, _ in pictures.read(tmp_path, (rank, 2))] for rank in (0, 1)]
    assert shares == [["0.png", "2.png", "a.tar/0.png", "a.tar/2.png"], ["1.png", "3.png", "a.tar/1.png"]]


def test_a_broken_picture_and_a_broken_shard_are_said_and_the_rest_is_read(tmp_path):
    good = encoded(tmp_path, 50)
    write_shard(tmp_path / "a.tar", [("cut.png", good[: len(good) // 2]), ("whole.png", good)])
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(good) // 2 + 512 + 100])
    (tmp_path / "c.tar").write_bytes(b"not a tar file at all" * 100)
    found = list(pictures.read(tmp_path))
    assert [f[0] for f in found if isinstance(f, tuple)] == ["a.tar/whole.png"]
    problems = [str(f) for f in found if isinstance(f, InputError)]
    assert any("a.tar/cut.png" in p for p in problems) and any("c.tar" in p and "not a tar file" in p for p in problems)


def test_a_name_inside_a_tar_cannot_lead_elsewhere(tmp_path):
    write_shard(
        tmp_path / "a.tar", [("../../../etc/evil.png", encoded(tmp_path, 1)), ("/abs.png", encoded(tmp_path, 2))]
    )
    before = sorted(tmp_path.rglob("*"))
    assert [name for name, _ in pictures.read(tmp_path)] == ["a.tar/evil.png", "a.tar/abs.png"]
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_pictures_is_an_input_error(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no such folder|no pictures"):
        list(pictures.read(tmp_path / folder))
