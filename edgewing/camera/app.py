"""`edgewing camera`: follow what is in a camera, a video or pictures; show it, save it, write it down.

One frame goes through at a time: source, tracker, painter, then window, video and JSON lines. Of a live source the
newest frame is taken and those it overtook are dropped (edgewing.camera.sources.Newest).
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgewing import commands, images, window
from edgewing.camera import overlay, recording, sources
from edgewing.camera.overlay import VIEWS, Figures, Look, Painter
from edgewing.camera.sources import Frame
from edgewing.camera.tracking import Track, Tracker
from edgewing.errors import InputError, printable
from edgewing.landmarker import Landmarker, whole_note
from edgewing.words import counted

KEYS = "1 points, 2 mesh, 3 heatmap, 4 boundary, 5 pose, m mirror, s smoothing, c screenshot, q quit"
RECENT = 300  # frames that figures are taken over; nothing grows with the length of a stream
NOTE_SECONDS = 4.0  # for which a remark stays in the picture


def run(
    landmarker: Landmarker, source: str = "0", *, view: str = VIEWS[0], mirror: bool = False,
    no_smoothing: bool = False, showing: bool = True, save: str | None = None, json: str | None = None,
    loop: bool = False, frames: int | None = None, threads: int = 1, plain: bool = False,
) -> None:  # fmt: skip
    """The command, with the options of `edgewing camera`.

    InputError where it cannot begin, or where the source fails later: what was done until then is kept.
    KeyboardInterrupt or, of another signal, SystemExit likewise, after the files are finished.
    """
    look, keeping = Look(view, mirror, not no_smoothing, plain), bool(save or json)
    overlay.refuse_view(look.view, landmarker.contract)
    cv2.setNumThreads(threads)  # as the runtime: threads that wait for one another cost more than they give
    shown = sources.open(source, loop, paced=showing and not keeping)
    feed = sources.Newest(shown) if shown.live else shown
    with contextlib.closing(feed), contextlib.closing(Session(landmarker, look, feed, showing)) as session:
        say(f"{shown.name}: {session.name}, {landmarker.runtime.description}; {landmarker.detector.name}")
        if note := whole_note(landmarker):
            say(note)
        if showing:
            say(f"keys: {KEYS}")
        picture = isinstance(shown, sources.Pictures) and len(shown.paths) == 1
        outputs = Outputs(save, json, shown.fps, picture)
        try:
            with asked_to_stop() as asked:
                session.run(outputs, frames, asked)
        except (InputError, KeyboardInterrupt, SystemExit, BrokenPipeError):  # the last: whoever read us has ended
            with contextlib.suppress(InputError, BrokenPipeError):  # the first is what it began with
                outputs.close()
            raise
        except BaseException:
            outputs.discard()
            raise
        outputs.close()
        for line in session.summary(shown.live):
            say(line)
        if asked:
            raise commands.stopped(asked[0])


def say(line: str) -> None:
    """At once: a camera's session is watched while it runs."""
    print(printable(line), flush=True)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[list]:
    """A list that is no longer empty once Ctrl-C was pressed, the terminal was closed (SIGHUP) or a service was stopped
    (SIGTERM), so that a frame is finished before the files are; a second one ends it at once."""
    asked: list[int] = []

    def handle(number, frame):
        if asked:
            raise commands.stopped(number)
        asked.append(number)

    numbers = [n for n in (signal.SIGINT, *commands.ENDED_BY) if n == signal.SIGINT or commands.heard(n)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Outputs:
    """The files that a session leaves."""

    def __init__(self, save: str | None, json: str | None, fps: float, picture: bool):
        self.save, self.json, self.video, self.lines, self.image = save, json, None, None, None
        if save and Path(save).suffix.lower() in images.SUFFIXES:
            if not picture:
                raise InputError(f"{save}: only one picture is saved as a picture; name an .mp4")
        elif save:
            self.video = recording.VideoFile(save, fps)
        try:
            self.lines = recording.Lines(json) if json else None
        except InputError:
            self.discard()
            raise

    def close(self) -> None:
        """Finish all and say what was written; a fault of one does not cost the others. InputError: the first fault."""
        faults, written, how = [], [], f" ({self.video.how})" if self.video else ""
        for path, finish in ((f"{self.save}{how}", self._finish_picture), (self.json, self.lines and self.lines.close)):
            try:
                if finish and finish():
                    written.append(path)
            except InputError as error:
                faults.append(error)
        for path in written:  # when both are safe, for nobody may be listening any more
            say(f"wrote {path}")
        if faults:
            raise faults[0]

    def _finish_picture(self) -> bool:
        """Video or picture; whether there is one."""
        if self.video:
            return self.video.close()
        if self.image is not None:
            images.write(self.save, self.image)
        return self.image is not None

    def discard(self) -> None:
        for part in (self.video, self.lines):
            if part:
                part.discard()


class Session:
    """Frames of one feed through tracker, painter, window and files, with the figures of what that took."""

    def __init__(self, landmarker: Landmarker, look: Look, feed, showing: bool):
        self.landmarker, self.look, self.feed = landmarker, look, feed
        self.tracker, self.painter = Tracker(landmarker), Painter(landmarker.contract)
        self.window = window.Window() if showing else None
        model = landmarker.contract.model
        self.name = f"{model.name} {model.precision}"
        self.what = landmarker.contract.layout.object
        self.frames = self.with_track = self.searched = 0
        self._done, self._model, self._end = (deque(maxlen=RECENT) for _ in range(3))
        self._note, self._note_until = "", 0.0
        self._begun = self._ended = 0.0

    def run(self, outputs: Outputs, most: int | None, asked: list) -> None:
        self._begun = self._ended = time.perf_counter()
        follows = getattr(self.feed, "source", self.feed).follows
        for frame in self.feed.frames():
            if not follows:
                self.tracker.reset()
            tracks = self.tracker(frame.image, frame.time)
            ready = time.perf_counter()
            self._count(tracks)
            if outputs.lines:
                outputs.lines.write(self._line(frame, tracks, ready))
            key = self._picture(frame, tracks, outputs) if self.window or outputs.save else ""
            self._ended = time.perf_counter()
            self._end.append(self._ended - frame.read)
            self._done.append(self._ended)
            if asked or key == "q" or self.frames == most:
                return
        if self.window and self.window.opened and self.frames == 1:
            self.window.wait()

    def close(self) -> None:
        if self.window:
            self.window.close()

    def _count(self, tracks: list[Track]) -> None:
        self.frames += 1
        self.with_track += bool(tracks)
        self.searched += self.tracker.searched
        if tracks:
            self._model.append(statistics.fmean(track.face.seconds for track in tracks))

    def _picture(self, frame: Frame, tracks: list[Track], outputs: Outputs) -> str:
        """Draw, show, save; the key that was pressed."""
        drawn = self.painter(frame.image, tracks, self.look)
        drawn = frame.image.copy() if drawn is frame.image else drawn
        if outputs.save and not outputs.video:
            outputs.image = drawn
            return self.window.show(drawn) if self.window else ""
        if not self.look.plain:
            note = self._note if time.perf_counter() < self._note_until else ""
            overlay.panel(drawn, self.name, self.figures(), self.look, len(tracks), note)
        if outputs.video:
            outputs.video.write(drawn, frame.time)
        if not self.window:
            return ""
        key = self.window.show(drawn)
        if said := press(key, self.look, self.landmarker.contract, drawn):
            self._note, self._note_until = said, time.perf_counter() + NOTE_SECONDS
            print(said, flush=True)
        return key

    def figures(self) -> Figures:
        """Medians over the last frames; the one in hand is not among them yet."""
        span = self._done[-1] - self._done[0] if len(self._done) > 1 else 0.0
        return Figures(
            (len(self._done) - 1) / span if span else 0.0,
            1000 * statistics.median(self._model or [0.0]),
            1000 * statistics.median(self._end or [0.0]),
            getattr(self.feed, "dropped", 0),
        )

    def _line(self, frame: Frame, tracks: list[Track], ready: float) -> dict:
        """What --json has of a frame. Times in s and ms, the rest in image px, (0, 0) the centre of the first pixel."""
        line = {"frame": frame.number, "time": round(frame.time, 4)}
        if frame.name:
            line["image"] = frame.name
        return line | {
            "width": frame.image.shape[1],
            "height": frame.image.shape[0],
            "searched": self.tracker.searched,
            "model_ms": round(1000 * sum(track.face.seconds for track in tracks), 3),
            "end_to_end_ms": round(1000 * (ready - frame.read), 3),
            self.landmarker.contract.layout.several: [
                {"track": track.id, "age": round(track.age, 4), "confidence": round(track.confidence, 4)}
                | (track.steady if self.look.smoothing else track.face).to_dict()
                for track in tracks
            ],
        }

    def summary(self, live: bool) -> Iterator[str]:
        seconds = self._ended - self._begun
        rate = (
            f"{counted(self.frames, 'frames')} in {seconds:.1f} s ({self.frames / seconds if seconds else 0:.0f} fps)"
        )
        yield f"{rate}, {self.feed.dropped} dropped" if live else rate
        if not self.with_track:
            yield f"no {self.what} in any frame"
            return
        now = self.figures()
        yield (
            f"{self.landmarker.contract.layout.several} in {self.with_track} of them; searched {self.searched}; "
            f"medians of the last {RECENT}: "
            f"model {now.model_ms:.2f} ms a {self.what}, end to end {now.end_to_end_ms:.1f} ms"
        )


def press(key: str, look: Look, contract, shown: np.ndarray) -> str:
    """Do what a key asks for; a remark for the user, or ''."""
    if key in [str(number) for number in range(1, len(VIEWS) + 1)]:
        view = VIEWS[int(key) - 1]
        try:
            overlay.refuse_view(view, contract)
        except InputError as error:
            return str(error)
        look.view = view
    elif key == "m":
        look.mirror = not look.mirror
    elif key == "s":
        look.smoothing = not look.smoothing
    elif key == "c":
        return f"wrote {screenshot(shown)}"
    return ""


def screenshot(image: np.ndarray) -> Path:
    """Save a picture in the current folder under a new name."""
    stem, number = time.strftime("edgewing-%Y%m%d-%H%M%S"), 1
    path = Path(f"{stem}.png")
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}.png")
    images.write(path, image)
    return path
