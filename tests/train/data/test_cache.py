"""The cache: what is in it, what it costs to read, and what happens when building goes wrong."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewing import geometry, layouts
from edgewing.errors import InputError
from tests.train.data.folders import face, write_faces, write_picture, write_pts, write_wflw
from train import data
from train.data import cache
from train.data.drawn import Drawn
from train.data.split import group_id, split

ROOT = Path(__file__).parents[3]
LAYOUT = layouts.get("300w-68")


def pictures(count: int) -> Iterator[Drawn]:
    for seed in range(count):
        yield Drawn(f"face-{seed}", *face(68, seed))


@pytest.fixture
def listing(tmp_path):
    write_faces(tmp_path / "photos/set", ["a_1", "b_1", "c_1", "d_1"])
    return data.read_samples(tmp_path / "photos/set", "300w-68")


def test_crops_and_landmarks_are_those_of_the_protocol(tmp_path, listing):
    built = cache.build(listing.samples, tmp_path / "cache", LAYOUT, 96, context=1.5)
    images, landmarks = built.read([2, 0])
    for image, points, index in zip(images, landmarks, (2, 0)):
        sample = listing.samples[index]
        tight = geometry.crop_from_landmarks(sample.landmarks, 96)
        square = geometry.Crop(tight.centre, 1.5 * tight.side, 96)
        np.testing.assert_array_equal(image, geometry.warp(data.load_image(sample), square.to_image, 96))
        np.testing.assert_allclose(points, geometry.apply(square.to_crop, sample.landmarks), atol=1e-4)
        # the white dots of the picture are where the landmarks say
        x, y = points.round().astype(int).T
        assert (image[y, x] > 150).all()
    assert built.names([3, 1]) == ["photos/set/d_1", "photos/set/b_1"]
    assert built.groups.tolist() == [group_id(sample.group) for sample in listing.samples]
    assert built.sources.tolist() == [0] * 4
    assert built.meta["sources"] == [{"name": "photos/set", "count": 4}]
    assert (built.meta["layout"], built.meta["problems"], len(built)) == ("300w-68", 0, 4)
    assert built.meta["fingerprint"] == cache.fingerprint(listing.samples)


def test_points_that_are_not_there_and_hidden_ones_are_kept_as_such(tmp_path):
    rows = ["file,x0,y0,v0,x1,y1,v1,x2,y2,v2", "a.png,40,30,2,0,0,0,70,60,1", "a.png,50,30,2,60,40,2,70,60,2"]
    write_picture(tmp_path / "a.png", face(3)[0])
    (tmp_path / "points.csv").write_text("\n".join(rows))
    three = layouts.Layout("three", 3)
    listing = data.read_samples(tmp_path, three)
    built = cache.build(listing.samples, tmp_path / "cache", three, 96, context=1.5)
    assert built.visibility([0, 1]).tolist() == [[2, 0, 1], [2, 2, 2]]
    assert np.isnan(built.landmarks([1, 0])).any(axis=-1).tolist() == [[False] * 3, [False, True, False]]
    (tmp_path / "points.csv").write_text("\n".join(rows).replace("70,60,1", "70,60,2"))
    assert cache.fingerprint(data.read_samples(tmp_path, three).samples) != built.meta["fingerprint"]


def test_dense_enough_keeps_the_detail_of_the_crop():
    assert cache.dense_enough(128) == 240
    for size in range(112, 257, 16):
        assert cache.dense_enough(size, 1.5) >= 1.25 * 1.5 * size


def test_streams_and_threads_give_the_same_bytes(tmp_path):
    calls = []
    one = cache.build(pictures(40), tmp_path / "one", LAYOUT, 48, progress=lambda *call: calls.append(call))
    two = cache.build(list(pictures(40)), tmp_path / "two", LAYOUT, 48, threads=3)
    for name in sorted(os.listdir(tmp_path / "one")):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert calls[0] == (1, None) and calls[-1] == (40, None) and len(one) == len(two) == 40
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_few_pictures_are_in_memory_at_a_time(tmp_path):
    taken, done = 0, 0
    ahead = []

    def counted():
        nonlocal taken
        for picture in pictures(60):
            taken += 1
            ahead.append(taken - done)
            yield picture

    def progress(finished, _):
        nonlocal done
        done = finished

    cache.build(counted(), tmp_path / "cache", LAYOUT, 16, progress=progress, threads=2)
    assert max(ahead) <= 10


def test_bad_faces_are_counted_and_named(tmp_path, listing):
    folder = tmp_path / "photos/set"
    (folder / "a_1.png").write_bytes((folder / "a_1.png").read_bytes()[:200])
    (folder / "b_1.png").unlink()
    write_pts(folder / "c_1.pts", face(68)[1] + 5000)
    listing = data.read_samples(folder, "300w-68")
    assert len(listing.problems) == 1 and "b_1.pts" in listing.problems[0]
    built = cache.build(listing.samples, tmp_path / "cache", LAYOUT, 32)
    assert (len(built), built.meta["problems"]) == (1, 2)
    assert [problem.split("/")[-1].split(":")[0] for problem in built.meta["first_problems"]] == ["a_1.png", "c_1.png"]


def test_a_picture_that_vanishes_is_a_problem(tmp_path, listing):
    (tmp_path / "photos/set/d_1.png").unlink()
    built = cache.build(listing.samples, tmp_path / "cache", LAYOUT, 32)
    assert built.meta["problems"] == 1 and "no such file" in built.meta["first_problems"][0]


def test_nothing_left_is_an_error_and_leaves_nothing(tmp_path):
    bad = (Drawn(p.name, p.image, p.landmarks + 1000) for p in pictures(3))
    with pytest.raises(InputError, match="can be used: 3 problems; first: face-0: .* far outside"):
        cache.build(bad, tmp_path / "cache", LAYOUT, 32)
    with pytest.raises(InputError, match="68 points, wflw-98 has 98"):
        cache.build(pictures(1), tmp_path / "cache", layouts.get("wflw-98"), 32)
    assert os.listdir(tmp_path) == []


def test_an_interrupted_build_leaves_nothing(tmp_path):
    def interrupted():
        yield from pictures(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.build(interrupted(), tmp_path / "cache", LAYOUT, 32, threads=2)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys, signal; from tests.train.data.test_cache import *\n"
        "def killed():\n    yield from pictures(2); os.kill(os.getpid(), signal.SIGKILL)\n"
        "cache.build(killed(), sys.argv[1], LAYOUT, 32)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cache")], cwd=ROOT, capture_output=True)
    assert done.returncode == -9
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".cache.") and left.endswith(".part")
    cache.build(pictures(2), tmp_path / "cache", LAYOUT, 32)
    assert os.listdir(tmp_path) == ["cache"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource, sys; from tests.train.data.test_cache import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "cache.build(pictures(500), sys.argv[1], LAYOUT, 32)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")], cwd=ROOT, capture_output=True, text=True
    )
    assert "InputError" in done.stderr and "cannot be written (File too large)" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_too_small_is_known_before_the_first_face(tmp_path):
    class Many(list):
        def __len__(self):
            return 10**12

    with pytest.raises(InputError, match="the cache needs .* GB, the disk has"):
        cache.build(Many(pictures(1)), tmp_path / "cache", LAYOUT, 240)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("crop", ["gtbox", "provided"])
def test_pixels_that_change_make_another_cache(tmp_path, crop):
    """Size and time of the file stay; the name of a cache and what is written in it are one fingerprint."""
    write_wflw(tmp_path / "wflw")
    (picture,) = (tmp_path / "wflw").rglob("1_Event_1.jpg")

    def built():
        listing = data.read_samples(tmp_path / "wflw", "wflw-98")
        found = cache.find_or_build(listing.samples, tmp_path / "caches", layouts.get("wflw-98"), 32, crop=crop)
        assert found.meta["fingerprint"] == cache.fingerprint(listing.samples, crop)
        return found

    first, times, content = built(), os.stat(picture), bytearray(picture.read_bytes())
    assert built().folder == first.folder
    content[len(content) // 2] ^= 1
    picture.write_bytes(content)
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert built().folder != first.folder


def test_pictures_that_change_while_they_are_cut_out(tmp_path, listing):
    def change(done, total):
        write_picture(tmp_path / "photos/set/d_1.png", face(68, 50 + done)[0])

    with pytest.raises(InputError, match="pictures changed while they were cut out"):
        cache.find_or_build(listing.samples, tmp_path / "caches", LAYOUT, 32, progress=change)
    assert [path.name for path in (tmp_path / "caches").iterdir() if path.is_dir()] == []


def test_found_by_its_key_and_built_once(tmp_path, listing):
    calls = []

    def found(size=32, context=1.5):
        return cache.find_or_build(
            listing.samples, tmp_path / "caches", LAYOUT, size, context, progress=lambda *call: calls.append(call)
        )

    first, again = found(), found()
    assert first.folder == again.folder and len(calls) == 4
    assert len({found(size, context).folder for size in (32, 48) for context in (1.5, 2.0)}) == 4
    _, landmarks = face(68, 1)
    landmarks[3] += 0.01
    write_pts(tmp_path / "photos/set/b_1.pts", landmarks)
    listing = data.read_samples(tmp_path / "photos/set", "300w-68")
    assert found().folder != first.folder
    long = [cache.cache_folder(tmp_path, f"drawn 300w-68 seed {seed}", 32) for seed in (10, 11)]
    assert long[0] != long[1]


@pytest.mark.parametrize(
    "name", ["images.u8", "landmarks.f32", "visibility.u1", "group.i4", "source.u1", "names.idx", "names.txt"]
)
def test_a_truncated_cache_is_refused(tmp_path, name):
    folder = cache.build(pictures(3), tmp_path / "cache", LAYOUT, 32).folder
    os.truncate(folder / name, os.path.getsize(folder / name) - 1)
    with pytest.raises(InputError, match=f"{name}: .* expected .*; delete the folder"):
        cache.Cache.open(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: No such file"):
        cache.Cache.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: "{",
        lambda meta: "[]",
        lambda meta: "[" * 100_000,
        lambda meta: json.dumps(meta | {"count": 4}),
        lambda meta: json.dumps(meta | {"size": -32}),
        lambda meta: json.dumps(meta | {"size": "32"}),
        lambda meta: json.dumps(meta | {"format": 99}),
        lambda meta: json.dumps(meta | {"sources": [{}]}),
        lambda meta: json.dumps(meta | {"sources": None}),
    ],
)
def test_a_broken_meta_is_refused(tmp_path, change):
    folder = cache.build(pictures(3), tmp_path / "cache", LAYOUT, 32).folder
    path = folder / "meta.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(InputError, match="meta.json: .*build (it|the cache) again"):
        cache.Cache.open(folder)


def test_reading_is_by_index_any_order_and_survives_pickling(tmp_path):
    built = pickle.loads(pickle.dumps(cache.build(pictures(9), tmp_path / "cache", LAYOUT, 32)))
    images, landmarks = built.read(np.arange(9))
    order = [5, 5, 0, 8]
    np.testing.assert_array_equal(built.read(order)[0], images[order])
    np.testing.assert_array_equal(built.landmarks(order), landmarks[order])
    assert built.read([])[0].shape == (0, 32, 32, 3)
    for outside in ([9], [-1]):
        with pytest.raises(IndexError):
            built.read(outside)


def test_a_cache_that_shrinks_while_open_is_one_line(tmp_path):
    built = cache.build(pictures(9), tmp_path / "cache", LAYOUT, 32)
    os.truncate(built.folder / "images.u8", 5 * 32 * 32 * 3)
    built.read([4])
    with pytest.raises(InputError, match="images.u8: cut off"):
        built.read([5])


MEMORY = """
import resource, sys, time
import numpy as np
from train.data.cache import Cache
opened = Cache.open(sys.argv[1])
opened.read(np.arange(32))
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before, order = resident(), np.random.default_rng(0).permutation(len(opened))[:5000]
train, validation = opened.split(0.1, 0)
after_split = resident()
del train, validation
for start in range(0, 5000, 100):
    images, landmarks = opened.read(order[start:start + 100])
    opened.names(order[start:start + 1])
assert not {"torch", "cv2"} & set(sys.modules)
print(len(opened), (resident() - before) / 1e6, (after_split - before) / 1e6)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc to read the resident memory")
def test_a_million_faces_cost_no_memory_to_read(tmp_path):
    folder = cache.build(pictures(1), tmp_path / "cache", LAYOUT, 240).folder
    meta = json.loads((folder / "meta.json").read_text())
    count = 1_000_000
    meta["count"] = meta["sources"][0]["count"] = count
    (folder / "meta.json").write_text(json.dumps(meta))
    rows = {"images.u8": 240 * 240 * 3, "landmarks.f32": 68 * 8, "visibility.u1": 68, "source.u1": 1, "names.txt": 7}
    for name, row in rows.items():
        os.truncate(folder / name, count * row)
    np.arange(0, 7 * count + 1, 7, dtype=np.int64).tofile(folder / "names.idx")
    np.arange(count, dtype=np.int32).tofile(folder / "group.i4")
    done = subprocess.run([sys.executable, "-c", MEMORY, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    opened, grown, with_split = map(float, done.stdout.split())
    assert opened == count and grown < 100 and with_split < 400


def test_split_keeps_groups_whole_and_takes_from_each_source():
    rng = np.random.default_rng(0)
    sources = np.repeat([0, 1, 2], [1000, 200, 5])
    groups = np.where(sources == 2, 10_000, rng.integers(0, 300, len(sources)) + 1000 * sources)
    train, validation = split(groups, 0.1, 7, sources)
    assert not set(groups[train]) & set(groups[validation])
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(sources)))
    counts = np.bincount(sources[validation], minlength=3)
    assert 50 <= counts[0] < 170 and 5 <= counts[1] < 45
    assert counts[2] == 0  # one group alone stays in training
    again = split(groups, 0.1, 7, sources)
    np.testing.assert_array_equal(validation, again[1])
    assert set(validation) != set(split(groups, 0.1, 8, sources)[1])
    assert len(split(groups, 0.0, 7, sources)[1]) == 0


def test_of_two_groups_one_is_held_out():
    train, validation = split(np.array([5, 3, 5, 3]), 0.01, 0)
    assert len(train) == len(validation) == 2
    assert len(split(np.array([5, 3, 5, 3]), 0.9, 0)[0]) == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_group_stays_on_its_side_whatever_is_read_beside_it(seed):
    groups = np.arange(20_000)
    train, validation = split(groups, 0.05, seed)
    assert 900 < len(validation) < 1100
    fewer = groups[::7]
    assert set(fewer[split(fewer, 0.05, seed)[1]]) == set(validation) & set(fewer)
    wider = set(split(groups, 0.1, seed)[1])
    assert set(validation) < wider


def test_real_faces(shared, tmp_path):
    listing = data.read_samples(shared / "lfpw/testset", "300w-68")
    built = cache.build(listing.samples, tmp_path / "cache", LAYOUT, 64)
    assert (len(built), built.meta["problems"]) == (224, 0)
    images, landmarks = built.read(np.arange(224))
    # the tight box of the points fills at least 1 / (1.344 * 1.5) of the square, and lies in its middle
    low, high = landmarks.min(axis=1), landmarks.max(axis=1)
    np.testing.assert_allclose((low + high) / 2, 31.5, atol=1e-3)
    assert ((high - low).max(axis=1) > 64 / (1.344 * 1.5) - 1e-3).all()
    assert images.reshape(224, -1).std(axis=1).min() > 10
