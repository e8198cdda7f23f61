"""What is kept of a stream: a video with the points drawn, and a line of JSON for each frame.

Both grow beside their final name and get it when they are closed, so that a command which is stopped in the middle
leaves whole files and a killed one leaves none under that name.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np

from edgewing.errors import InputError

# suffix -> FourCC of an encoder that is in OpenCV's wheels; H.264 is not
CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
LONGEST_PAUSE = 10.0  # s for which the last frame is repeated, at most


class VideoFile:
    """A video of a constant number of frames per second, as large as its first frame.

    Later frames of another size are fitted into it, with black beside them.
    """

    def __init__(self, path: str | Path, fps: float):
        self.path, self.fps, self.frames = Path(path), fps, 0
        suffix = self.path.suffix.lower()
        if suffix not in CODECS:
            raise InputError(f"{path}: a video's name must end in one of {', '.join(CODECS)}")
        _may_write(self.path)
        self.beside = self.path.with_name(f".{self.path.stem}.{os.getpid()}.part{suffix}")
        self.writer, self.size, self.first, self.last = None, (0, 0), 0.0, None

    def write(self, image: np.ndarray, time: float) -> None:
        """Add a (H, W, 3) uint8 RGB frame of that time in s. Where frames were dropped the one before is
        repeated, so that the video lasts as long as what it shows."""
        import cv2

        if self.writer is None:
            # most encoders take even sides alone
            self.size = tuple(side + side % 2 for side in (image.shape[1], image.shape[0]))
            code = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
            self.writer = cv2.VideoWriter(str(self.beside), code, self.fps, self.size)
            if not self.writer.isOpened():
                raise InputError(f"{self.path}: this OpenCV cannot write it; try one of {', '.join(CODECS)}")
            self.first = time
        time -= self.first
        picture = cv2.cvtColor(fit(image, self.size), cv2.COLOR_RGB2BGR)
        missing = round(time * self.fps) - self.frames
        for _ in range(min(missing, int(LONGEST_PAUSE * self.fps))):
            self._add(self.last)
        self._add(picture)

    def _add(self, picture: np.ndarray) -> None:
        self.writer.write(picture)
        self.last, self.frames = picture, self.frames + 1

    def close(self) -> bool:
        """Finish the file and give it its name; whether there is one."""
        if self.writer is None:
            return False
        self.writer.release()
        os.replace(self.beside, self.path)
        return True

    def discard(self) -> None:
        """Leave nothing."""
        if self.writer is not None:
            self.writer.release()
        self.beside.unlink(missing_ok=True)


class Lines:
    """A file of JSON lines, or standard output where the name is ``-``: there a line goes out at once."""

    def __init__(self, path: str | Path):
        self.path, self.count = Path(path), 0
        self.beside = None
        if str(path) == "-":
            self.stream = sys.stdout
            return
        _may_write(self.path)
        self.beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self.stream = open(self.beside, "w", encoding="utf-8")

    def write(self, value: dict) -> None:
        self.stream.write(json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n")
        self.count += 1
        if self.beside is None:
            self.stream.flush()

    def close(self) -> bool:
        """Finish the file and give it its name; whether there is one."""
        if self.beside is None:
            return False
        self.stream.close()
        os.replace(self.beside, self.path)
        return True

    def discard(self) -> None:
        """Leave nothing."""
        if self.beside is not None:
            with contextlib.suppress(OSError):  # a full disk, which is why we are here
                self.stream.close()
            self.beside.unlink(missing_ok=True)


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image in the middle of a black one of that width and height, made smaller or larger to fit."""
    import cv2

    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    if 0 <= size[0] - width <= 1 and 0 <= size[1] - height <= 1:  # made even: nothing is resampled
        return cv2.copyMakeBorder(image, 0, size[1] - height, 0, size[0] - width, cv2.BORDER_REPLICATE)
    scale = min(size[0] / width, size[1] / height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    fitted = np.zeros((size[1], size[0], 3), np.uint8)
    fitted[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=how)
    return fitted


def _may_write(path: Path) -> None:
    """Refuse at the start what would fail at the end of an hour."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: the folder cannot be written; check its permissions")
