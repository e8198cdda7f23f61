"""The window of `edgewing camera`: a picture in, a key out. All that it needs of OpenCV is here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from edgewing.errors import InputError

TITLE = "edgewing"
INSTEAD = "use --save OUT.mp4 or --json OUT.jsonl with --no-window, or `edgewing web` for a browser"
ESCAPE = 27


def refuse_without() -> None:
    """InputError, in one line that says what to do, where this OpenCV has no window or this machine no display."""
    import cv2

    if "GUI:                           NONE" in cv2.getBuildInformation() or not hasattr(cv2, "imshow"):
        raise InputError(f"this OpenCV has no window; pip install opencv-python brings one, or {INSTEAD}")
    # Qt ends the whole process where it finds no display, so it is not asked
    if sys.platform.startswith("linux") and not (_x_display() or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(f"no display to open a window on; {INSTEAD}")


def _x_display() -> bool:
    """Whether DISPLAY names a display; of one on this machine, whether its socket is there."""
    display = os.environ.get("DISPLAY", "")
    if not display.startswith(":"):
        return bool(display)
    number = display[1:].split(".")[0]
    if Path(f"/tmp/.X11-unix/X{number}").exists():
        return True
    # sockets in Linux's abstract namespace have no file; their names are listed here
    return f"@/tmp/.X11-unix/X{number}" in Path("/proc/net/unix").read_text()


class Window:
    """A resizable window. Opened when the first picture comes, as large as that."""

    def __init__(self):
        self.opened = False

    def show(self, image: np.ndarray) -> str:
        """Show a (H, W, 3) uint8 RGB picture; the key that was pressed, '' for none, 'q' also where it was closed."""
        import cv2

        if not self.opened:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(TITLE, image.shape[1], image.shape[0])
            self.opened = True
        cv2.imshow(TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1)
        if key == ESCAPE or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(key & 0xFF).lower() if key >= 0 else ""

    def wait(self) -> str:
        """Wait for a key: a picture stays until one is pressed, or its window is closed."""
        import cv2

        while cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1:
            if (key := cv2.waitKey(100)) >= 0:
                return "q" if key == ESCAPE else chr(key & 0xFF).lower()
        return "q"

    def close(self) -> None:
        import cv2

        if self.opened:
            cv2.destroyAllWindows()
