"""Opening folders: what is recognised, what is said when nothing is, and that a million faces stay small."""

import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from tests.train.data.folders import face, write_faces, write_picture, write_pts, write_wflw
from train import data
from train.data import findings
from train.data.samples import Sample

ROOT = Path(__file__).parents[3]


def test_several_folders_are_one_listing(tmp_path):
    write_faces(tmp_path / "a/trainset", ["x", "y"])
    write_faces(tmp_path / "b/trainset", ["z"])
    write_wflw(tmp_path / "wflw")
    listing = data.read_samples([tmp_path / "a/trainset", tmp_path / "b/trainset", tmp_path / "wflw"], "300w-68")
    assert [sample.source for sample in listing.samples] == ["a/trainset"] * 2 + ["b/trainset"] + ["wflw/train"] * 6
    said = [line.split(": ")[-1].split(";")[0] for line in listing.summary]
    assert said == ["2 faces (pts)", "2 groups", "1 face (pts)", "1 group", "6 faces (wflw)"]


@pytest.mark.parametrize(
    "prepare, message",
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "no points found; expected .pts files"),
        (lambda folder: (write_faces(folder, ["a"]), (folder / "a.pts").unlink()), "no points found"),
        (lambda folder: write_faces(folder, ["a"], points=29), "1 problem: .*a.pts:2: n_points is 29"),
        (lambda folder: (write_wflw(folder), (folder / "list_98pt_rect_attr_train.txt").write_text("")), "no face"),
    ],
)
def test_nothing_to_read_is_one_line(tmp_path, prepare, message):
    prepare(tmp_path / "set")
    with pytest.raises(InputError, match=message) as raised:
        data.read_samples(tmp_path / "set", "300w-68")
    assert str(raised.value).startswith(f"{tmp_path / 'set'}: ") and "\n" not in str(raised.value)


def test_an_unknown_layout_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean '300w-68'"):
        data.read_samples(tmp_path, "300w68")


@pytest.mark.parametrize(
    "move, reason",
    [
        (lambda points: points * (0.5, 1) + (150, 0), "all points are outside the picture of 160 x 120 px"),
        (lambda points: np.vstack([points[:-1], [[400, 50]]]), r"a point at \(400.0, 50.0\) is far outside"),
        (lambda points: np.vstack([points[:-1], [[50, -121]]]), r"a point at \(50.0, -121.0\) is far outside"),
    ],
)
def test_points_that_cannot_be_in_the_picture(tmp_path, move, reason):
    write_faces(tmp_path, ["a"])
    write_pts(tmp_path / "a.pts", move(face(68)[1]))
    (sample,) = data.read_samples(tmp_path, "300w-68").samples
    with pytest.raises(InputError, match=f"^{tmp_path / 'a.png'}: {reason}"):
        data.load_image(sample)


def test_points_slightly_outside_the_picture_are_legal(tmp_path):
    write_faces(tmp_path, ["a"])
    write_pts(tmp_path / "a.pts", np.vstack([face(68)[1][:-1], [[-30, 150]]]))
    (sample,) = data.read_samples(tmp_path, "300w-68").samples
    assert data.load_image(sample).shape == (120, 160, 3)


def test_a_million_faces_fit_in_a_gigabyte():
    path = "/some/where/with/a/long/path/300W/lfpw/trainset/image_%07d.jpg"
    landmarks = np.arange(136, dtype=np.float32).reshape(68, 2)
    samples, used = data.Samples(68), []
    images = [Path(path % i) for i in range(12_288)]  # before counting: Path keeps its names in one table for all tests
    assert len(set(map(str, images))) == 12_288
    tracemalloc.start()
    for i in range(12_288):
        name = f"lfpw/trainset/image_{i:07d}"
        samples.append(data.Sample(images[i], landmarks + i, f"lfpw:image_{i:07d}", "lfpw/trainset", name))
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert (used[-1] - used[4095]) / 8192 < 880  # bytes a face
    assert samples[-1].name == "lfpw/trainset/image_0012287" and samples[-1].landmarks[0, 0] == 12_287
    assert samples[4097].image == Path(path % 4097) and len(list(samples)) == 12_288
    with pytest.raises(IndexError):
        samples[12_288]


def test_reading_needs_neither_torch_nor_opencv():
    code = "import sys, train.data, train.data.cache; print([m for m in ('torch', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_new_reader_is_one_file_and_one_row(tmp_path, monkeypatch):
    """A format nobody knows: ``x.two`` beside ``x.png``, with the two points of a line in it."""
    reader = types.ModuleType("lines")

    def lists(folder):
        return sorted(folder.glob("*.two")) if folder.is_dir() else [folder] * (folder.suffix == ".two")

    def read(folder, layout, split):
        for path in lists(folder):
            points = np.array(path.read_text().split(), np.float32).reshape(2, 2)
            yield Sample(path.with_suffix(".png"), points, path.stem, "mine", path.stem)

    vars(reader).update(
        SPLITS=("train", "test"), EXPECTED="lines as .two", lists=lists, read=read,
        recognises=lambda folder: bool(lists(folder)), annotations=lambda folder, split: folder,
        layout_of=lambda path: Layout("any", 2),
    )  # fmt: skip
    monkeypatch.setitem(data.READERS, "two", reader)  # the row
    with pytest.raises(InputError, match="CSV of points, lines as .two$"):
        data.read_samples(tmp_path, Layout("line", 2))
    write_picture(tmp_path / "a.png", face(2)[0])
    (tmp_path / "a.two").write_text("10 20 60 50")
    (sample,) = data.read_samples(tmp_path, Layout("line", 2)).samples
    assert sample.landmarks.tolist() == [[10, 20], [60, 50]]
    for named in (tmp_path, tmp_path / "a.two"):
        (finding,) = findings.find(named)
        assert finding.points == 2 and finding.parts["a.two"].faces == 1 and finding.places == {named}
