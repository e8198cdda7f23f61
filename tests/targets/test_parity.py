import dataclasses

import numpy as np
import pytest

from edgewing import geometry, layouts
from edgewing.contract import crop_part
from edgewing.errors import InputError
from edgewing.runtimes import Points
from targets import graph, parity
from tests.targets.discs import LAYOUT, RECIPE, SIZE, discs, run_contract
from train import model as models

INTERFACE = graph.Interface("NHWC", "uint8")
SCALE = 256 / SIZE


@pytest.fixture(scope="module")
def faces() -> parity.Faces:
    return parity.Faces(*discs(50, 9), "discs")


def compare(network, faces, precision, ours, theirs):
    about = graph.artefact_contract(run_contract(network, RECIPE), INTERFACE, "tflite", precision, {})
    scores = np.ones(ours.shape[:2], np.float32)
    return parity.compare(about, "a test", Points(ours, scores), Points(theirs, scores), faces)


def moved(landmarks: np.ndarray, px: float) -> np.ndarray:
    """px of a 256 px crop, to the right."""
    return landmarks + np.array([px / SCALE, 0], np.float32)


@pytest.mark.parametrize("precision, px, accepted", [
    ("fp32", 0.09, True), ("fp32", 0.11, False), ("fp16", 0.11, False), ("int8", 0.11, True), ("int8", 1.9, True),
    ("int8", 2.1, False),
])  # fmt: skip
def test_shift_gate(network, faces, precision, px, accepted):
    """The float model is 8 px off the truth in y, so that a shift in x hardly changes its NME."""
    theirs = faces.landmarks + np.array([0, 8 / SCALE * 4], np.float32)
    result = compare(network, faces, precision, moved(theirs, px), theirs)
    assert result.part.p50 == pytest.approx(px, abs=1e-3) and result.part.max == pytest.approx(px, abs=1e-3)
    assert result.part.accepted is accepted
    if not accepted:
        limit = "2 px" if precision == "int8" else "0.1 px"
        assert result.reasons == [f"p99 shift {px:.3f} px, limit {limit}"]


@pytest.mark.parametrize("worse, accepted", [(0.009, True), (0.011, False)])
def test_nme_gate_of_integers(network, faces, worse, accepted):
    """Both err in the same direction, one by a share more."""
    theirs, ours = (moved(faces.landmarks, 10 * factor) for factor in (1, 1 + worse))
    result = compare(network, faces, "int8", ours, theirs)
    assert result.nme_change == pytest.approx(worse, rel=1e-2)
    assert result.part.accepted is accepted
    if not accepted:
        (reason,) = result.reasons
        assert "1.10 % worse than float" in reason and reason.endswith("limit 1 %")


def test_what_is_next_to_nothing_is_no_reason_to_refuse_a_file(network, faces):
    """5 % of an NME of a few thousandths of a percent: far below what any mark by hand is worth."""
    theirs, ours = (moved(faces.landmarks, px) for px in (0.02, 0.021))
    assert compare(network, faces, "int8", theirs, theirs).part.nme_float * 0.05 < parity.NME_FLOOR
    assert compare(network, faces, "int8", ours, theirs).part.accepted


def test_only_integers_have_an_nme_gate(network, faces):
    theirs, ours = (moved(faces.landmarks, px) for px in (1.0, 1.05))
    assert compare(network, faces, "fp16", ours, theirs).part.accepted


def test_p99_is_over_all_landmarks_of_all_faces(network, faces):
    ours = faces.landmarks.copy()
    count = ours.shape[0] * ours.shape[1]
    ours.reshape(-1, 2)[: int(count * 0.02), 0] += 4 / SCALE
    result = compare(network, faces, "int8", ours, faces.landmarks)
    assert result.part.p50 == 0 and result.part.p99 == pytest.approx(4, abs=0.1)


def test_constant_output_and_broken_numbers_are_named(network, faces):
    constant = np.broadcast_to(faces.landmarks[:1], faces.landmarks.shape)
    assert any("constant output" in r for r in compare(network, faces, "int8", constant, faces.landmarks).reasons)
    broken = faces.landmarks.copy()
    broken[3] = np.nan
    result = compare(network, faces, "int8", broken, faces.landmarks)
    assert "some landmarks are not numbers" in result.reasons and result.failed == (0, 1)
    assert np.isfinite(result.part.max) and np.isfinite(result.part.nme_artefact)


def test_stored_faces_that_do_not_fit_are_refused(tmp_path):
    crops, landmarks = discs(3, 0)
    with pytest.raises(InputError, match="no such file"):
        parity.stored(tmp_path / "none.npz", 19, SIZE)
    path = tmp_path / "faces.npz"
    np.savez(path, crops=crops, landmarks=landmarks, names=["a"] * 3)
    assert len(parity.stored(path, 19, SIZE)) == 3
    for points, size in ((19, 96), (68, SIZE)):
        with pytest.raises(InputError, match="expected|takes"):
            parity.stored(path, points, size)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a faces file"):
        parity.stored(path, 19, SIZE)
    np.savez(path, crops=np.array([{}]), landmarks=landmarks)  # a pickle inside
    with pytest.raises(InputError, match="not a faces file"):
        parity.stored(path, 19, SIZE)


def labelled(folder, count):
    """Pictures of discs with their points beside them."""
    import cv2

    folder.mkdir(exist_ok=True)
    crops, landmarks = discs(count, 0)
    for i, (crop, points) in enumerate(zip(crops, landmarks)):
        cv2.imwrite(str(folder / f"{i:03}.png"), crop[..., ::-1])
        lines = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)  # .pts count from 1
        (folder / f"{i:03}.pts").write_text(f"version: 1\nn_points: 19\n{{\n{lines}\n}}\n")
    return folder


def run_with(folder, network, validation, name="disc"):
    """The faces of a run, as many to validate on as asked for, and what of_run is given besides."""
    (folder / "faces").mkdir(parents=True)
    for part, count in (("validation", validation), ("calibration", 20)):
        crops, landmarks = discs(count, 3)
        names = [f"{name}_{i}" for i in range(count)]
        np.savez(folder / "faces" / f"{part}.npz", crops=crops, landmarks=landmarks, names=names)
    return folder, run_contract(network, RECIPE)


@pytest.mark.parametrize("data", [None, "DIR"])
def test_a_gate_needs_fifty_faces(network, tmp_path, data):
    about = run_with(tmp_path / "few", network, 29)
    folder = str(labelled(tmp_path / "DIR", 6)) if data else None
    with pytest.raises(
        InputError, match=r"(49|6) faces; a gate needs 50: give more with --data DIR .* or --data drawn"
    ):
        parity.of_run(*about, folder)
    faces, calibration = parity.of_run(*run_with(tmp_path / "more", network, 30))
    assert str(faces) == "50 faces of faces/validation.npz and, to have 50, faces/calibration.npz, gtbox crops"
    assert faces.crops.shape[0] == 50 and faces.landmarks.shape == (50, 19, 2)
    faces, calibration = parity.of_run(*run_with(tmp_path / "enough", network, 50))
    assert (str(faces), str(calibration)) == (
        "50 faces of faces/validation.npz, gtbox crops", "20 faces of faces/calibration.npz, gtbox crops",
    )  # fmt: skip


def test_few_objects_that_nobody_can_draw_are_turned(tmp_path):
    """Of a layout of one's own: twenty pictures are enough for a gate, and what was added is said."""
    layout = dataclasses.replace(layouts.get(LAYOUT), name="own-19", object="thing")
    recipe = dataclasses.replace(RECIPE, layout=layout)
    folder, about = run_with(tmp_path / "run", models.build(recipe).eval(), 4)
    about = about.replace(layout=layout)
    faces, calibration = parity.of_run(folder, about)
    assert str(faces) == (
        "50 objects of faces/validation.npz and, to have 50, faces/calibration.npz and, to have 50, views of them "
        "turned by up to 10 degrees, gtbox crops"
    )
    assert len(calibration) == 20 and faces.crops.shape == (50, SIZE, SIZE, 3)
    # the discs are where the points say, in turned views too: bright there, dark between
    for crop, points in zip(faces.crops[24:], faces.landmarks[24:]):
        x, y = np.rint(points[(points > 2).all(axis=1) & (points < SIZE - 3).all(axis=1)]).astype(int).T
        assert np.median(crop[y, x].max(axis=-1)) > 2 * np.median(crop.max(axis=-1))
    for name in ("validation", "calibration"):
        with np.load(folder / f"faces/{name}.npz") as kept:
            np.savez(folder / f"faces/{name}.npz", **{key: kept[key][:4] for key in kept})
    with pytest.raises(InputError, match=r"8 objects; a gate needs 10: give more with --data DIR .* itself\)$"):
        parity.of_run(folder, about)


def test_drawn_faces_are_called_drawn_and_give_way_to_a_folders(network, tmp_path):
    own, drawn = run_with(tmp_path / "own", network, 50), run_with(tmp_path / "drawn", network, 50, "drawn")
    few, many = (str(labelled(tmp_path / str(count), count)) for count in (60, 70))
    assert [str(part) for part in parity.of_run(*drawn)] == [
        "50 faces of faces/validation.npz, drawn, gtbox crops", "20 faces of faces/calibration.npz, drawn, gtbox crops",
    ]  # fmt: skip
    said = {data: [str(part) for part in parity.of_run(*drawn, data)] for data in (few, many)}
    assert said[few] == ["60 faces of 60, gtbox crops", "20 faces of faces/calibration.npz, drawn, gtbox crops"]
    assert said[many] == ["53 faces of 70, gtbox crops", "17 faces of 70, gtbox crops"]
    faces, calibration = parity.of_run(*drawn, many)
    seen = {crop.tobytes() for crop in calibration.crops}
    assert len(seen) == 17 and not seen & {crop.tobytes() for crop in faces.crops}
    # A run with photographs of its own calibrates on these, whatever it is checked on.
    faces, calibration = parity.of_run(*own, many)
    assert len(faces) == 70 and str(calibration) == "20 faces of faces/calibration.npz, gtbox crops"


def test_any_run_can_be_checked_on_drawn_faces(network, tmp_path):
    faces, calibration = parity.of_run(*run_with(tmp_path / "few", network, 4), "drawn")
    assert str(faces) == "100 faces of drawn, gtbox crops" and faces.crops.shape == (100, SIZE, SIZE, 3)
    assert str(calibration) == "20 faces of faces/calibration.npz, gtbox crops"


def test_crops_are_those_of_the_model_and_are_named(network, tmp_path):
    """By the boxes of the annotation where the model was trained on such; a run's own as its recipe says."""
    import cv2

    crops, landmarks = discs(2, 0)
    rows = [f"{i}.png,2,3,60,62,{','.join(f'{v:.3f}' for v in points.ravel())}" for i, points in enumerate(landmarks)]
    for i, crop in enumerate(crops):
        cv2.imwrite(str(tmp_path / f"{i}.png"), crop[..., ::-1])
    names = ",".join(f"{axis}{n}" for n in range(19) for axis in "xy")
    (tmp_path / "points.csv").write_text("\n".join([f"file,x_min,y_min,x_max,y_max,{names}", *rows]))
    provided = parity.photographs(tmp_path, LAYOUT, crop_part(SIZE, "provided"))
    tight = parity.photographs(tmp_path, LAYOUT, crop_part(SIZE))
    assert (provided.crop, tight.crop) == ("provided", "gtbox")
    square = geometry.crop_from_box(np.array([2, 3, 60, 62]), SIZE)
    np.testing.assert_allclose(provided.landmarks, geometry.apply(square.to_crop, landmarks), atol=0.01)
    (tmp_path / "points.csv").write_text("\n".join(row.replace("2,3,60,62,", "") for row in rows))
    assert parity.photographs(tmp_path, LAYOUT, crop_part(SIZE, "provided")).crop == "gtbox"
    folder, about = run_with(tmp_path / "run", network, 50)
    (folder / "recipe.json").write_text('{"crop": "released"}')
    faces, _ = parity.of_run(folder, about)
    result = parity.compare(about, "a test", *[Points(faces.landmarks, np.ones(faces.landmarks.shape[:2]))] * 2, faces)
    assert "released crops" in str(faces) and "released crops, against" in result.part.protocol
    assert result.part.protocol.endswith("NME divided by box")


def test_photographs_of_a_labelled_folder(tmp_path):
    labelled(tmp_path, 3)
    (tmp_path / "002.png").write_bytes((tmp_path / "002.png").read_bytes()[:200])
    faces = parity.photographs(tmp_path, LAYOUT, crop_part(SIZE))
    assert faces.crops.shape == (2, SIZE, SIZE, 3) and "(2 of 3 read)" in faces.source
    width, height = np.ptp(faces.landmarks[0], axis=0)
    # gtbox: the mean side of the landmarks' box is 1 / 1.344 of the crop's, unless one side is much the longer
    assert (width + height) / 2 == pytest.approx(SIZE / 1.344, rel=0.01)
    assert np.allclose(faces.landmarks[0].min(axis=0) + faces.landmarks[0].max(axis=0), SIZE - 1, atol=0.01)


def test_points_that_a_face_does_not_have_take_no_part(network, faces):
    """What a network says of them is noise, in which int8 and float may differ by any distance."""
    landmarks = faces.landmarks.copy()
    landmarks[::2, 3] = np.nan
    partial = parity.Faces(faces.crops, landmarks, "discs")
    ours = faces.landmarks.copy()
    ours[::2, 3] += 50
    result = compare(network, partial, "int8", ours, faces.landmarks)
    assert result.part.accepted and result.part.max == 0
    ours[0, 4] += 50
    assert compare(network, partial, "int8", ours, faces.landmarks).part.max > 50
