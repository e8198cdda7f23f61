"""A camera, a video or a stream as an iterator of pictures and the faces that are followed in them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing.camera import sources
from edgewing.camera.tracking import Tracker
from edgewing.faces import Faces
from edgewing.landmarker import Landmarker


def stream(
    source: str | int | Path = 0, landmarker: Landmarker | str | Path | None = None, smoothing: bool = True
) -> Iterator[tuple[np.ndarray, Faces]]:
    """Each frame, (H, W, 3) uint8 RGB, with its faces, oldest first; ``face.id`` stays with a face.

    >>> for frame, faces in edgewing.stream("clip.mp4"): ...

    source: what `edgewing camera --source` takes: a camera's number, a video, a folder, a URL, a pipeline. Of what is
    live the newest frame is taken, and those that it overtook are dropped. It is closed when the loop ends.
    landmarker: one of yours, or what Landmarker takes: a name, a file, None for the default.
    smoothing: landmarks are held steady.

    Raises: InputError where the source cannot be opened, or ends before its time.
    """
    if not isinstance(landmarker, Landmarker):
        landmarker = Landmarker(landmarker)
    tracker, opened = Tracker(landmarker), sources.open(str(source))
    feed = sources.Newest(opened) if opened.live else opened
    with contextlib.closing(feed):
        for frame in feed.frames():
            if not opened.follows:
                tracker.reset()
            tracks = tracker(frame.image, frame.time)
            found = [dataclasses.replace(track.steady if smoothing else track.face, id=track.id) for track in tracks]
            yield frame.image, Faces(found, frame.image, landmarker.contract.layout)
