import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.runtimes import Points
from targets import graph, parity
from tests.targets.discs import LAYOUT, RECIPE, SIZE, discs, run_contract

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
    with pytest.raises(InputError, match="No such file"):
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


def test_photographs_of_a_labelled_folder(tmp_path):
    import cv2

    crops, landmarks = discs(3, 0)
    for i, (crop, points) in enumerate(zip(crops, landmarks)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), crop[..., ::-1])
        lines = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)  # .pts count from 1
        (tmp_path / f"{i}.pts").write_text(f"version: 1\nn_points: 19\n{{\n{lines}\n}}\n")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:200])
    faces = parity.photographs(tmp_path, LAYOUT, SIZE)
    assert faces.crops.shape == (2, SIZE, SIZE, 3) and "2 of 3 faces" in faces.source
    width, height = np.ptp(faces.landmarks[0], axis=0)
    # gtbox: the mean side of the landmarks' box is 1 / 1.344 of the crop's, unless one side is much the longer
    assert (width + height) / 2 == pytest.approx(SIZE / 1.344, rel=0.01)
    assert np.allclose(faces.landmarks[0].min(axis=0) + faces.landmarks[0].max(axis=0), SIZE - 1, atol=0.01)
