"""Where frames come from: a camera, a stream, a video, a picture or a folder of them, behind one small interface.

A source hands out frames one after the other. What is live (a camera, a stream, a video played at its own pace) is read
ahead by ``Newest`` in a thread of its own: the newest frame wins, older ones are dropped and counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewing import files, images
from edgewing.camera import pipes
from edgewing.errors import InputError, printable
from edgewing.words import counted

PATIENCE = 10.0  # s without a frame after which a camera or stream counts as gone
COMES_BACK = 30.0  # s for which a stream that broke off is looked for
PICTURES_PER_SECOND = 2.0  # of a folder, where it becomes a video
USUAL_FPS = 30.0  # of a source that does not say its own
FASTEST_FPS = 1000.0  # headers that promise more are not believed
LONGEST_FRAME = 60.0  # s that a file may say a frame of it lasts
DEAD_IN_A_ROW = 250  # frames that cannot be decoded, after which a video file counts as at its end
DEAD_IN_A_ROW_LIVE = 5  # of a camera or stream, where each may take long
SHORT_BY = 0.98  # a video that gives fewer of its frames than this share may have been cut off


@dataclass(frozen=True, eq=False)
class Frame:
    """image: (H, W, 3) uint8 RGB. number: counts every frame the source gave, dropped ones too. time: s, of the source:
    where in the video, or since the first frame of a camera. read: when it was read, by time.perf_counter().
    name: of a picture's file, else ''."""

    image: np.ndarray
    number: int
    time: float
    read: float
    name: str = ""


class Pictures:
    """Picture files, one by one. Of several those that cannot be read are named on stderr and passed over.

    follows: each is what comes after the one before, as in a video."""

    live = False

    def __init__(self, paths: list[Path], name: str, follows: bool = False):
        self.paths, self.name, self.follows = paths, name, follows
        self.fps = USUAL_FPS if follows else PICTURES_PER_SECOND

    def frames(self) -> Iterator[Frame]:
        number = 0
        for path in self.paths:
            try:
                image = images.read_image(path)
            except InputError as error:
                if len(self.paths) == 1:
                    raise
                print(f"passed over: {printable(str(error))}", file=sys.stderr)
                continue
            yield Frame(image, number, number / self.fps, time.perf_counter(), path.name)
            number += 1
        if not number:
            raise InputError(
                f"{self.name}: none of its {counted(len(self.paths), 'pictures')} can be read; copy them again"
            )

    def close(self) -> None:
        """Nothing is held open."""


class Video:
    """A video file, or one at an address. loop: begin again at its end, with times that go on. paced: as live, at its
    own pace."""

    follows = True

    def __init__(self, path: Path | str, loop: bool = False, paced: bool = False):
        self.path, self.name, self.live, self.loop = path, str(path), paced, loop
        self.capture = self._open()
        fps = self.capture.get(_prop("FPS"))
        self.fps = fps if 0 < fps <= FASTEST_FPS else USUAL_FPS
        self.promised = max(0, int(self.capture.get(_prop("FRAME_COUNT"))))

    def _open(self):
        path = self.path
        if (
            isinstance(path, Path) and path.is_fifo()
        ):  # waits here for whoever writes into it, where Ctrl-C is heard; FFmpeg reads what we opened
            self.pipe = path.open("rb", buffering=0)
            path = f"pipe:{self.pipe.fileno()}"
        return _capture(path, f"{self.name}: not a video that can be read, or cut off; copy or convert it again")

    def frames(self) -> Iterator[Frame]:
        number, at, begun = 0, 0.0, time.perf_counter()
        while True:
            first, round_begun, lost = number, at, 0
            while (found := _next(self.capture, self._most_dead(number - first + lost))) is not None:
                image, dead = found
                lost += dead
                # the file's own time where it goes on, for frames may be of unequal length
                stamp = round_begun + self.capture.get(_prop("POS_MSEC")) / 1000
                at = stamp if number == first or at < stamp <= at + LONGEST_FRAME else at + 1 / self.fps
                if self.live and (ahead := begun + at - time.perf_counter()) > 0:
                    time.sleep(ahead)
                yield Frame(image, number, at, time.perf_counter())
                number += 1
            if number == first:
                raise InputError(f"{self.name}: no frame can be read; copy or convert the video again")
            self._tell(number - first, lost)
            if not self.loop:
                return
            self.capture.release()
            self.capture, at = self._open(), at + 1 / self.fps

    def _most_dead(self, passed: int) -> int:
        """How many frames to pass over while they cannot be decoded: those that should still come."""
        return max(DEAD_IN_A_ROW_LIVE, min(DEAD_IN_A_ROW, self.promised - passed))

    def _tell(self, given: int, lost: int) -> None:
        """What a round through the file did not give."""
        if lost:
            what = f"{lost} frames cannot be decoded and are" if lost > 1 else "a frame cannot be decoded and is"
            print(f"note: {self.name}: {what} left out", file=sys.stderr)
        if given + lost < SHORT_BY * self.promised:
            said = f"{given} of its {counted(self.promised, 'frames')} can be read; it may be cut off"
            print(f"note: {self.name}: {said}", file=sys.stderr)

    def close(self) -> None:
        self.capture.release()


class Stream:
    """A camera by number or device file, or a network stream by URL, which is looked for again when it breaks off."""

    live, follows = True, True

    def __init__(self, what: int | str | Path):
        self.what, self.name = what, f"camera {what}" if isinstance(what, int) else str(what)
        self.patience = PATIENCE + COMES_BACK if isinstance(what, str) else PATIENCE
        self.capture, self.stopped = self._open(), False
        fps, frames = (self.capture.get(_prop(name)) for name in ("FPS", "FRAME_COUNT"))
        self.fps = fps if 0 < fps <= 240 else USUAL_FPS
        self.ends = frames > 0  # it is no stream but a video at that address

    def _open(self):
        hint = "is it plugged in, free, and are you allowed to use it? `ls /dev/video*` lists cameras on Linux"
        if isinstance(self.what, str):
            hint = "check the address and that this machine reaches it"
        capture = _capture(self.what, f"{self.name}: cannot be opened; {hint}")
        capture.set(_prop("BUFFERSIZE"), 1)  # where the driver keeps a queue, the newest frame is not at its head
        return capture

    def frames(self) -> Iterator[Frame]:
        number, begun = 0, None
        while True:
            while (found := _next(self.capture, DEAD_IN_A_ROW_LIVE)) is not None:
                image, now = found[0], time.perf_counter()
                begun = now if begun is None else begun
                yield Frame(image, number, now - begun, now)
                number += 1
            if not isinstance(self.what, str) or not self._came_back(number):
                raise InputError(f"{self.name}: gives no more frames after {number}; is it still connected?")

    def _came_back(self, number: int) -> bool:
        print(
            f"note: {self.name}: broke off after {counted(number, 'frames')}; looking for it again",
            file=sys.stderr,
            flush=True,
        )
        until = time.perf_counter() + COMES_BACK
        while time.perf_counter() < until and not self.stopped:
            self.capture.release()
            with contextlib.suppress(InputError):
                self.capture = self._open()
                return True
            time.sleep(min(1.0, COMES_BACK / 10))
        return False

    def stop(self) -> None:
        """It need not be looked for any longer; may be called from another thread."""
        self.stopped = True

    def close(self) -> None:
        self.capture.release()


class Piped:
    """A camera that another program reads (edgewing.camera.pipes)."""

    live, follows, fps = True, True, USUAL_FPS

    def __init__(self, what: str):
        self.pipe = pipes.Pipe(what)
        self.name = self.pipe.name

    def frames(self) -> Iterator[Frame]:
        begun = None
        for number, (image, broken) in enumerate(self.pipe.pictures()):
            now = time.perf_counter()
            begun = now if begun is None else begun
            yield Frame(image, number + broken, now - begun, now)

    def stop(self) -> None:
        """End the program, and so the read; may be called from another thread."""
        self.pipe.close()

    close = stop


Source = Pictures | Video | Stream | Piped


def open(what: str, loop: bool = False, paced: bool = False) -> Source:
    """The source for 0 or /dev/video0 (a camera), rtsp://... (any URL with ://), a folder, a picture, a video file,
    %04d.png (pictures that are a video), and what edgewing.camera.pipes knows.

    InputError where it cannot be opened.
    """
    if what.isascii() and what.isdigit():
        return Stream(int(what))
    if pipes.is_pipe(what):
        return Piped(what)
    if "://" in what:
        stream = Stream(what)
        if not stream.ends:
            return stream
        stream.close()
        return Video(what, loop, paced)
    if not what.strip():
        raise InputError("--source '': is empty; it takes a camera's number, a file, a folder or a URL")
    path = Path(what)
    if path.is_dir():
        return Pictures(images.in_folder(path), str(path))
    if not path.exists() and (numbered := _numbered(path)):
        return Pictures(numbered, what, follows=True)
    if not path.exists():
        raise InputError(f"{path}: no such file; --source takes a camera's number, a file, a folder or a URL")
    if path.is_char_device() or path.is_block_device():
        number = path.resolve().name.removeprefix("video")
        if number.isascii() and number.isdigit():  # /dev/video0, or a link to it
            return Stream(int(number))
        try:
            return Stream(path)
        except InputError:
            raise InputError(f"{path}: is a device, but no camera; `ls /dev/video*` lists cameras on Linux") from None
    if path.suffix.lower() in images.SUFFIXES:
        return Pictures([path], str(path))
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path}: is empty; copy it again")
    return Video(path, loop, paced)


def _numbered(pattern: Path) -> list[Path]:
    """The files of a sequence such as frames/%04d.png, as FFmpeg writes it, by their numbers."""
    found = re.search(r"%0?\d*d", pattern.name)
    if not found or not pattern.parent.is_dir():
        return []
    before, after = re.escape(pattern.name[: found.start()]), re.escape(pattern.name[found.end() :])
    digits = re.compile(f"{before}(\\d{{{int(found[0][1:-1] or 1)},}}){after}")
    matches = {path: digits.fullmatch(path.name) for path in pattern.parent.iterdir()}
    return sorted((path for path, match in matches.items() if match), key=lambda path: int(matches[path][1]))


class Newest:
    """The frames of a live source, read in a thread: iterating gives the newest that has not been given yet.

    The thread holds one frame, so what is added to the lag is at most the frame that is being worked on. ``dropped``
    counts frames that were never given. Errors of the source are raised where frames are taken.
    """

    def __init__(self, source: Source, patience: float | None = None):
        self.source, self.dropped = source, 0
        self.patience = patience or getattr(source, "patience", PATIENCE)
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended, self._stop, self._error = False, False, None
        # A driver may never return from a read: such a thread must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def frames(self) -> Iterator[Frame]:
        self._thread.start()
        while True:
            with self._changed:
                until = time.perf_counter() + self.patience
                # in slices: a signal's handler runs between them and may ask to stop
                while not (self._frame or self._ended or self._stop):
                    if time.perf_counter() > until:
                        raise InputError(f"{self.source.name}: no frame for {self.patience:g} s; is it still there?")
                    self._changed.wait(0.1)
                frame, self._frame = self._frame, None
            if self._stop:
                return
            if frame is not None:
                yield frame
            elif self._error is not None:
                raise self._error
            else:
                return

    def stop(self) -> None:
        """Give no more frames; may be called from a signal's handler."""
        self._stop = True

    def close(self) -> None:
        """Stop the thread; the source is closed once its last read has come back, and left where it does not."""
        self._stop = True
        if isinstance(self.source, Piped | Stream):
            self.source.stop()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if not self._thread.is_alive():
            self.source.close()

    def _run(self) -> None:
        try:
            for frame in self.source.frames():
                with self._changed:
                    self.dropped += self._frame is not None
                    self._frame = frame
                    self._changed.notify()
                if self._stop:
                    return
        except Exception as error:  # whatever it is, it belongs to the thread that takes the frames
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()


def _capture(what: int | str | Path, problem: str) -> Any:
    """An opened cv2.VideoCapture that keeps quiet on stderr. InputError with this text where it cannot be opened."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own complaints; ours say what to do
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if isinstance(what, int):
        capture = cv2.VideoCapture(what)
    elif isinstance(what, Path) and not what.is_file():
        capture = cv2.VideoCapture(str(what), cv2.CAP_V4L2)
    else:
        limit = int(1000 * PATIENCE)
        limits = [_prop("OPEN_TIMEOUT_MSEC"), limit, _prop("READ_TIMEOUT_MSEC"), limit]
        with contextlib.ExitStack() as stack:
            if isinstance(what, Path):
                what = stack.enter_context(files.plain(what))
            capture = cv2.VideoCapture(what, cv2.CAP_FFMPEG, limits)
    width, height = (capture.get(_prop(name)) for name in ("FRAME_WIDTH", "FRAME_HEIGHT"))
    if not capture.isOpened():
        raise InputError(problem)
    if width * height > images.LARGEST_PIXELS:
        capture.release()
        raise InputError(f"{what}: {width:g} x {height:g} px; the limit is {images.LARGEST_PIXELS // 10**6} megapixels")
    return capture


def _prop(name: str) -> int:
    import cv2

    return getattr(cv2, f"CAP_PROP_{name}")


def _next(capture, most_dead: int) -> tuple[np.ndarray, int] | None:
    """The next frame, RGB, and how many before it could not be decoded; None at the end, and where that many could
    not: OpenCV says the same of both."""
    import cv2

    for dead in range(max(0, most_dead) + 1):
        try:
            good, image = capture.read()
        except cv2.error:
            continue
        if good and image is not None and image.size:
            how = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
            return cv2.cvtColor(image, how), dead
    return None
