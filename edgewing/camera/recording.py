"""What is kept of a stream: a video with the points drawn, and a line of JSON for each frame.

Both grow beside their final name and get it when they are closed, so that a command which is stopped in the middle
leaves whole files and a killed one leaves none under that name.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import numpy as np

from edgewing import files, notices, outputs
from edgewing.errors import InputError, in_words
from edgewing.words import counted

# suffix -> FourCCs, of which the first is taken that this OpenCV has: H.264 is not in its wheels, the last of each is
CODECS = {".mp4": ("avc1", "mp4v"), ".mkv": ("H264", "mp4v"), ".avi": ("MJPG",), ".webm": ("VP80",)}
SAID = {
    "avc1": "H.264",
    "H264": "H.264",
    "mp4v": "MPEG-4 Part 2: players show it, browsers do not; a name in .webm is for both",
    "MJPG": "motion JPEG",
    "VP80": "VP8",
}
LONGEST_SIDE = 8190  # px of a video; MPEG-4 has 13 bits for it
MOST_TICKS = 65535  # of MPEG-4's clock
LONGEST_PAUSE = 10.0  # s for which the last frame is repeated, at most


class VideoFile:
    """A video of a constant number of frames per second, as large as its first frame, or as its encoder can.

    Later frames of another size are fitted into it, with black beside them.
    """

    def __init__(self, path: str | Path, fps: float):
        self.fps, self.frames = _held(fps), 0
        self.suffix = Path(path).suffix.lower()
        if self.suffix not in CODECS:
            raise InputError(f"{path}: a video's name must end in one of {', '.join(CODECS)}")
        self.part = _part(path)
        self.writer, self.size, self.first, self.last = None, (0, 0), 0.0, None
        self.codec = ""

    @property
    def how(self) -> str:
        """How it is written, once there is a frame: what can play it."""
        return SAID.get(self.codec, "")

    def write(self, image: np.ndarray, time: float) -> None:
        """Add a (H, W, 3) uint8 RGB frame of that time in s. Where frames were dropped the one before is
        repeated, so that the video lasts as long as what it shows."""
        import cv2

        if self.writer is None:
            self._begin(image)
            self.first = time
        picture = cv2.cvtColor(fit(image, self.size), cv2.COLOR_RGB2BGR)
        missing, most = round((time - self.first) * self.fps) - self.frames, int(LONGEST_PAUSE * self.fps)
        if missing > most:  # the rest of the pause is left out, and what follows comes that much earlier
            self.first += (missing - most) / self.fps
        for _ in range(min(missing, most)):
            self._add(self.last)
        self._add(picture)

    def _begin(self, image: np.ndarray) -> None:
        import cv2

        height, width = image.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        if scale < 1:
            said = f"made smaller, to {LONGEST_SIDE} px, the most that a video can have"
            print(f"note: {self.part.final}: {said}", file=sys.stderr)
        # most encoders take even sides alone
        self.size = tuple(side + side % 2 for side in (max(1, int(width * scale)), max(1, int(height * scale))))
        for codec in CODECS[self.suffix]:
            self.codec, code = codec, cv2.VideoWriter_fourcc(*codec)
            with files.plain(self.part.path) as name, notices.quiet():  # FFmpeg's, of an encoder that it lacks
                self.writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, code, self.fps, self.size)
            if self.writer.isOpened():
                return
        self.writer = None
        others = ", ".join(suffix for suffix in CODECS if suffix != self.suffix)
        raise InputError(
            f"{self.part.final}: this OpenCV writes no {self.suffix} of {self.size[0]} x {self.size[1]} px at "
            f"{self.fps:g} fps; try a name in {others}"
        )

    def _add(self, picture: np.ndarray) -> None:
        self.writer.write(picture)
        self.last, self.frames = picture, self.frames + 1

    def close(self) -> bool:
        """Finish the file and give it its name; whether there is one. InputError where frames are missing in it:
        the encoder says nothing of a full disk."""
        if self.writer is None:
            self.discard()
            return False
        self.writer.release()
        there = _packets(self.part.path)
        if there < self.frames:
            self.discard()
            raise InputError(
                f"{self.part.final}: not written: of {counted(self.frames, 'frames')} {there} reached the disk; make "
                "room there"
            )
        self.part.finish()
        return True

    def discard(self) -> None:
        """Leave nothing."""
        if self.writer is not None:
            self.writer.release()
        self.part.discard()


class Lines:
    """A file of JSON lines, or standard output where the name is ``-``: there a line goes out at once."""

    def __init__(self, path: str | Path):
        self.count, self.part = 0, None
        if path == outputs.STDOUT:
            return
        self.part = _part(path)
        self.stream = open(self.part.path, "wb", buffering=0)

    def write(self, value: dict) -> None:
        """InputError where the disk is full; the lines before stay."""
        line = json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n"
        if self.part is None:
            outputs.to_stdout(line)
        else:
            self._append(line.encode())
        self.count += 1

    def _append(self, data: bytes) -> None:
        pipe, problem = not self.stream.seekable(), "part of a line"
        whole = 0 if pipe else self.stream.tell()
        try:
            if self.stream.write(data) == len(data):
                return
        except OSError as error:
            problem = error.strerror
        if not pipe:
            with contextlib.suppress(OSError):  # a device has no length
                self.stream.truncate(whole)
        raise InputError(f"{self.part.final}: {problem} after {self.count} whole lines; make room there")

    def close(self) -> bool:
        """Finish the file and give it its name; whether there is one. Without a line there is none: what stood under
        that name before stays."""
        if self.part is None or not self.count:
            self.discard()
            return False
        self.stream.close()
        self.part.finish()
        self.count = 0
        return True

    def discard(self) -> None:
        """Leave nothing."""
        if self.part is not None:
            self.stream.close()
            self.part.discard()


def _held(fps: float) -> float:
    """The rate, rounded until MPEG-4 can hold it: OpenCV writes it as a whole number over 1, 10, 100 or 1000, and
    MPEG-4 takes whole numbers up to 65535."""
    digits = next((d for d in (3, 2, 1) if fps * 10**d <= MOST_TICKS), 0)
    return round(fps, digits) or fps


def _packets(path: Path) -> int:
    """How many frames a closed video has, counted without decoding them."""
    import cv2

    with files.plain(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count


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


def _part(path: str | Path) -> files.Part:
    """Refuse at the start what would fail at the end of an hour."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")
    try:
        return files.Part(path)
    except OSError as error:
        raise InputError(in_words(error)) from None
