"""Short clips of a drawn face, made when a test runs, and a server that streams pictures as a network camera does."""

import contextlib
import functools
import http.server
import threading
import time

import cv2
import numpy as np

from train.data import drawn

FPS = 20.0


@functools.cache
def face(seed=6):
    """A drawn face of about 110 px on a plain ground, (240, 320, 3) uint8 RGB, which the default detector finds."""
    image = cv2.resize(drawn.draw(seed, "300w-68").image, (200, 200), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(image, 20, 20, 60, 60, cv2.BORDER_CONSTANT, value=(90, 100, 110))


def moving(count, seed=6):
    """Frames in which the face goes to and fro by 24 px."""
    for number in range(count):
        shift = np.float32([[1, 0, 12 * np.sin(number / 6)], [0, 1, 0]])
        yield cv2.warpAffine(face(seed), shift, (320, 240), borderMode=cv2.BORDER_REPLICATE)


def write(path, frames, codec="mp4v", fps=FPS):
    """A video file of RGB frames."""
    frames = list(frames)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, frames[0].shape[1::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def read(path):
    """All frames of a video, RGB."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        good, image = capture.read()
        if not good:
            return frames
        frames.append(image[..., ::-1])


@contextlib.contextmanager
def serving(path):
    """A URL of a file."""

    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            """Nothing on stderr."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Files, directory=path.parent)
    )  # fmt: skip
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{path.name}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def streaming(frames, pause, hold=0.0, times=10**6):
    """A URL that gives these frames as motion JPEG, one each ``pause`` s; after ``hold`` s more it hangs up. times: for
    which it answers at all."""
    asked = iter(range(times))

    class Camera(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if next(asked, None) is None:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for image in frames:
                    data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    time.sleep(pause)
                stop.wait(hold)

        def log_message(self, *words):
            """Nothing on stderr."""

    stop = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera.mjpg"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
