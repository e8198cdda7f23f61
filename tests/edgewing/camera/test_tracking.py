"""Following, on frames whose faces are two blobs that the tiny model of conftest finds exactly: red and blue."""

import dataclasses
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from edgewing import detection, geometry, images
from edgewing.camera import tracking
from edgewing.camera.tracking import Filter, OneEuro, Tracker
from edgewing.errors import InputError
from edgewing.landmarker import Face, Landmarker
from tests.edgewing.test_landmarker import frame

WIDTH, HEIGHT, REACH = 320, 240, 6
FACE = np.array([[-16.0, -16.0], [16.0, 16.0]])  # red and blue blob about a face's centre


def picture(*centres, shape=(HEIGHT, WIDTH), bright=255):
    """A frame with a face at each of these places."""
    frame = np.zeros((*shape, 3), np.uint8)
    for place in centres:
        for channel, (cx, cy) in zip((0, 2), FACE + place):
            left, top = (max(0, int(c) - REACH) for c in (cx, cy))
            part = frame[top : int(cy) + REACH, left : int(cx) + REACH, channel]
            y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
            part[:] = np.rint(bright * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / 2.0**2))
    return frame


def find_blobs(frame):
    """A detector for such frames: each red blob has its blue one at a known distance."""
    import cv2

    _, _, _, middles = cv2.connectedComponentsWithStats((frame[..., 0] > 200).astype(np.uint8))
    faces = [geometry.landmark_box(FACE - FACE[0] + red) for red in middles[1:]]
    return [detection.Detection(box, 1.0) for box in faces]


class Counting:
    """A find function that knows how often it ran."""

    def __init__(self):
        self.runs = 0

    def __call__(self, frame):
        self.runs += 1
        return find_blobs(frame)


@pytest.fixture
def find():
    return Counting()


@pytest.fixture
def tracker(onnx_file, find):
    detector = detection.Detector("blobs", find, detection.Fit((0, 0), (1, 1)))
    return Tracker(Landmarker(onnx_file, detector))


def centres(tracks):
    return [tuple(np.rint(track.face.landmarks.mean(axis=0)).astype(int)) for track in tracks]


def test_a_face_is_followed_without_the_detector(tracker, find):
    for number in range(25):
        (track,) = tracker(picture((60 + 2 * number, 100)), number / 30)
        assert track.id == 0 and track.age == pytest.approx(number / 30)
        assert np.abs(track.face.landmarks - (FACE + (60 + 2 * number, 100))).max() < 0.5
    assert find.runs == 1


def test_the_crop_comes_from_the_last_landmarks_as_in_training(tracker):
    (first,) = tracker(picture((100, 100)), 0.0)
    (second,) = tracker(picture((104, 100)), 0.03)
    (third,) = tracker(picture((106, 100)), 0.06)
    for last, track in ((first, second), (second, third)):
        assert np.allclose(track.face.box, geometry.landmark_box(last.landmarks))
    part = tracker.landmarker.contract.crop
    assert second.face.crop == geometry.crop_from_box(second.face.box, part.size, part.factor, part.least)


def test_a_new_face_is_found_on_the_slow_beat(tracker, find):
    beat = tracking.settings().search.beat
    tracker(picture((70, 100)), 0.0)
    both = picture((70, 100), (220, 100))
    assert len(tracker(both, beat / 2)) == 1 and not tracker.searched
    tracks = tracker(both, beat)
    assert centres(tracks) == [(70, 100), (220, 100)] and [t.id for t in tracks] == [0, 1] and find.runs == 2


def test_without_a_face_every_frame_is_searched(tracker, find):
    for number in range(5):
        assert tracker(picture(), number / 30) == []
    assert find.runs == 5
    assert len(tracker(picture((100, 100)), 0.2)) == 1


def test_a_lost_face_that_comes_back_soon_and_near_keeps_its_id(tracker):
    tracker(picture((100, 100)), 0.0)
    assert tracker(picture(), 0.2) == []
    (track,) = tracker(picture((110, 100)), 0.45)
    assert track.id == 0 and track.age == pytest.approx(0.45)
    assert np.abs(track.landmarks - track.face.landmarks).max() == 0  # the filter begins anew


@pytest.mark.parametrize("place, time", [((250, 100), 0.45), ((100, 100), 0.7)])
def test_one_that_comes_back_late_or_elsewhere_is_another(tracker, place, time):
    tracker(picture((100, 100)), 0.0)
    assert tracker(picture(), 0.2) == [] == tracker(picture(), time - 0.1)
    (track,) = tracker(picture(place), time)
    assert track.id == 1


def test_a_jump_is_found_again_in_the_same_frame(tracker, find):
    tracker(picture((60, 60)), 0.0)
    (track,) = tracker(picture((240, 180)), 0.03)
    assert centres([track]) == [(240, 180)] and find.runs == 2


def test_a_few_weak_frames_lose_no_track_and_many_do(tracker):
    (first,) = tracker(picture((100, 100)), 0.0)
    weak = picture((100, 100), bright=120)  # the blobs' maxima are the scores
    (second,) = tracker(weak, 1 / 30)
    kept = [bool(tracker(weak, number / 30)) for number in range(2, 20)]
    constants, score = tracking.settings().track, second.face.scores.mean()
    assert score < constants.least_kept < constants.least_new < first.confidence
    gone = constants.confidence_seconds * math.log((first.confidence - score) / (constants.least_kept - score))
    assert gone > 2 / 30 and kept == [number / 30 < gone for number in range(2, 20)]


def test_two_tracks_on_one_face_become_the_older_one(tracker):
    tracker(picture((100, 100), (200, 100)), 0.0)
    for number in range(1, 12):
        apart = max(0, 100 - 10 * number)
        tracks = tracker(picture((100, 100), (100 + apart, 100)), number / 30)
    assert [track.id for track in tracks] == [0]


def test_a_face_that_leaves_the_frame_is_lost(tracker):
    for number in range(40):
        tracks = tracker(picture((300 + number, 100)), number / 30)
    assert tracks == []


def test_fifty_faces_and_no_more(tracker):
    frame = picture(*((30 + 60 * i, 30 + 60 * j) for i in range(10) for j in range(6)), shape=(400, 640))
    tracks = [tracker(frame, time) for time in (0.0, 2.0)]
    most = tracking.settings().search.most_faces
    assert most == 50 and [len(found) for found in tracks] == [most, most]
    assert [t.id for t in tracks[0]] == [t.id for t in tracks[1]]


def test_a_frame_of_another_size_begins_anew(tracker):
    (first,) = tracker(picture((100, 100)), 0.0)
    (second,) = tracker(picture((100, 100))[:200, :300], 0.03)
    assert (first.id, second.id) == (0, 1)


def test_what_no_detector_knows_is_followed_by_its_own_landmarks(clock_file):
    """Looked for in the whole picture until it is there, and again when it is lost; never while it is followed."""
    tracker, searched = Tracker(Landmarker(clock_file)), []
    for number in range(90):
        shift = 2.0 * number if number < 60 else 0.0
        shown = number < 45 or number >= 50
        tracks = tracker(frame([((70 + shift, 60), (150 + shift, 140))] if shown else []), number / 20)
        searched.append(tracker.searched)
        assert bool(tracks) == shown, number
        if tracks:
            assert np.abs(tracks[0].face.landmarks - [[70 + shift, 60], [150 + shift, 140]]).max() < 2
    assert [number for number, was in enumerate(searched) if was] == [0, *range(45, 51), 60]
    assert [track.id for track in tracks] == [1] and tracks[0].face.box[2] < 200  # from its landmarks, not the picture


def of_points(points, scores, least_score) -> Face:
    crop = geometry.Crop((0.0, 0.0), 1.0, 32)
    return Face(np.zeros(4), np.array(points, np.float32), np.array(scores, np.float32), crop, 0.0, None, least_score)


def test_points_that_are_not_there_do_not_count():
    """A profile has half of its points; what is left of a face that is no more has fewer."""
    points = [(100, 100), (160, 100), (130, 160), (100, 160), *[(900, -900)] * 4]
    half = of_points(points, [0.9] * 4 + [0.05] * 4, 0.3)
    assert half.confidence == pytest.approx(0.9) and half.landmark_box.tolist() == [100, 100, 160, 160]
    assert tracking.trusted(half, (240, 320, 3))
    assert not tracking.trusted(of_points(points, [0.9] * 4 + [0.05] * 4, 0.0), (240, 320, 3))  # scores do not say
    assert not tracking.trusted(of_points(points, [0.9] + [0.05] * 7, 0.3), (240, 320, 3))
    assert not tracking.trusted(of_points(points, [0.05] * 8, 0.3), (240, 320, 3))


def test_a_person_may_be_thin_and_a_face_not():
    thin = of_points([(100, 20), (140, 220)], [0.9, 0.9], 0.0)
    assert tracking.trusted(thin, (240, 320, 3), tracking.settings(face=False).track)
    assert not tracking.trusted(thin, (240, 320, 3))


def test_time_must_not_go_back(tracker):
    tracker(picture(), 1.0)
    with pytest.raises(InputError, match="times must not go back"):
        tracker(picture(), 0.5)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="give its seconds on a clock"):
            tracker(picture(), bad)


def test_a_clock_that_stands_still_is_a_fault(tracker):
    for _ in range(tracking.STILL):
        tracker(picture((100, 100)), 2.0)
    tracker(picture((100, 100)), 2.1)
    for _ in range(tracking.STILL - 1):
        tracker(picture((100, 100)), 2.1)
    with pytest.raises(InputError, match="6 frames of time 2.1 s; give each its own"):
        tracker(picture((100, 100)), 2.1)


def test_threads_may_share_a_landmarker_each_with_a_tracker_of_its_own():
    landmarker, faults = Landmarker("edgewing-free-s"), []
    image = images.read_image(Path(images.__file__).parents[1] / "docs/portrait.jpg")

    def follow():
        one = Tracker(landmarker)
        try:
            for number in range(15):
                one.reset()
                assert len(one(image, float(number))) == 1
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert not faults


def test_a_frame_of_opencv_gives_the_same_points(tracker):
    image = picture((100, 100))
    (one,) = tracker(image, 1.0)
    tracker.reset()
    (other,) = tracker(np.ascontiguousarray(image[..., ::-1]), 1.1, colour="BGR")
    assert np.array_equal(one.landmarks, other.landmarks)


def test_a_name_is_no_landmarker():
    with pytest.raises(InputError, match="expected edgewing.Landmarker"):
        Tracker("edgewing-s")


def test_settings_can_be_given(onnx_file, find):
    constants = tracking.settings()
    often = dataclasses.replace(constants, search=dataclasses.replace(constants.search, beat=0.1))
    tracker = Tracker(Landmarker(onnx_file, detection.Detector("blobs", find, detection.Fit((0, 0), (1, 1)))), often)
    for number in range(31):
        tracker(picture((100, 100)), number / 30)
    assert find.runs == pytest.approx(11, abs=3)


CONSTANTS = Filter(least_cutoff=1.0, speed_cutoff=2.0, own_share=0.3, derivative_cutoff=1.5, longest_gap=0.5)


def one_euro_of_the_paper(samples, times, constants):
    """Algorithms 1 and 2 of Casiez et al. for one point, number by number; the speed is the length of its vector."""
    shown, velocity, out = list(samples[0]), [0.0, 0.0], [list(samples[0])]
    for sample, before, time in zip(samples[1:], times, times[1:]):
        step = time - before

        def alpha(cutoff, step=step):
            tau = 1.0 / (2 * math.pi * cutoff)
            return 1.0 / (1.0 + tau / step)

        a = alpha(constants.derivative_cutoff)
        velocity = [a * (x - y) / step + (1 - a) * v for x, y, v in zip(sample, shown, velocity)]
        b = alpha(constants.least_cutoff + constants.speed_cutoff * math.hypot(*velocity))
        shown = [b * x + (1 - b) * y for x, y in zip(sample, shown)]
        out.append(list(shown))
    return np.array(out)


def test_for_one_point_the_filter_is_the_papers():
    random = np.random.default_rng(1)
    times = np.cumsum(random.uniform(0.01, 0.06, 60))
    points = np.cumsum(random.normal(0, 3, (60, 1, 2)), axis=0)
    filter = OneEuro(CONSTANTS)
    got = np.array([filter(p, t, 80.0) for p, t in zip(points, times)])
    assert np.allclose(got[:, 0] / 80, one_euro_of_the_paper(points[:, 0] / 80, times, CONSTANTS), atol=1e-12)


def test_points_move_with_the_face_and_a_share_of_their_own():
    """The second step of two points by hand: one at rest, one moving, so that the whole moves at half the speed."""
    filter = OneEuro(CONSTANTS)
    filter(np.zeros((2, 2)), 0.0, 10.0)
    got = filter(np.array([[0.0, 0.0], [4.0, 0.0]]), 0.1, 10.0)
    velocity = 4.0 / 0.1 / (1 + 1 / (2 * math.pi * 1.5 * 0.1))
    speed = (velocity / 2 + 0.3 * velocity / 2) / 10.0
    assert got[1, 0] == pytest.approx(4.0 / (1 + 1 / (2 * math.pi * (1.0 + 2.0 * speed) * 0.1))) and not got[0].any()


def test_a_point_that_is_not_there_says_nothing_of_the_speed():
    still, wild = OneEuro(CONSTANTS), OneEuro(CONSTANTS)
    there = np.array([True, True, False])
    for number, jump in enumerate((0.0, 50.0, -50.0)):
        points = np.array([[0.1 * number, 0.0], [0.1 * number, 9.0], [0.0, 0.0]])
        expected = still(points[:2], number / 30, 10.0)
        got = wild(points + [[0.0, 0.0], [0.0, 0.0], [jump, 0.0]], number / 30, 10.0, there)
        assert np.allclose(got[:2], expected)


def test_the_filter_serves_any_size_of_face_alike():
    random = np.random.default_rng(2)
    points = np.cumsum(random.normal(0, 1, (30, 3, 2)), axis=0)
    small, large = OneEuro(CONSTANTS), OneEuro(CONSTANTS)
    for number, p in enumerate(points):
        assert np.allclose(7 * small(p, number / 30, 40.0), large(7 * p, number / 30, 280.0))


def test_rest_is_steadied_and_motion_followed():
    random = np.random.default_rng(3)
    rest = OneEuro(tracking.settings().filter)
    still = random.normal(0, 0.3, (90, 68, 2))
    steady = np.array([rest(p, n / 30, 200.0) for n, p in enumerate(still)])
    assert steady[30:].std() < 0.5 * still[30:].std()
    ramp = OneEuro(tracking.settings().filter)
    for number in range(90):  # a face size each second
        shown = ramp(np.array([[200.0 * number / 30, 0.0]]), number / 30, 200.0)
    assert 200.0 * 89 / 30 - shown[0, 0] < 3  # px


def test_after_a_gap_nothing_is_dragged_along():
    filter = OneEuro(CONSTANTS)
    filter(np.zeros((1, 2)), 0.0, 50.0)
    assert filter(np.full((1, 2), 9.0), 0.6, 50.0).tolist() == [[9.0, 9.0]]
    assert filter(np.full((1, 2), 5.0), 0.6, 50.0).tolist() == [[9.0, 9.0]]  # no time has passed
