"""The film of the camera page: even in time, and in a real browser a face with its points."""

import shutil

import numpy as np
import pytest
from PIL import Image

from bench.__main__ import main
from bench.report import film
from bench.time.browser import APP


def test_pictures_are_even_in_time_whatever_the_browser_could_do(tmp_path):
    for ms, level in ((0, 10), (90, 20), (1000, 30), (4900, 40)):
        Image.new("RGB", (360, 740), (level,) * 3).save(tmp_path / f"{ms:06d}.png")
    found = film.even(sorted(tmp_path.glob("*.png")))
    assert len(found) == film.SECONDS * 1000 // film.EACH
    assert {picture.size for picture in found} == {(film.WIDTH, 555)}
    levels = [picture.getpixel((9, 9))[0] for picture in found]
    assert levels[:2] == [10, 20] and levels[9] == levels[11] == 30 and levels[-1] == 40


def test_a_head_that_cannot_be_is_said_before_anything_is_drawn(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["film", "--head", "-1", "--out", "a.webp"])
    assert "--head -1: give 0 or more" in capsys.readouterr().err


def green(pixels: np.ndarray) -> int:
    """How many pixels have the colour of the page's points."""
    r, g, b = np.moveaxis(pixels.astype(int), -1, 0)
    return int(((g - r > 40) & (g - b > 10)).sum())


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium; apt-get install chromium")
@pytest.mark.skipif(not (APP / "node_modules/playwright-core").is_dir(), reason="the page is not built; make web")
def test_the_page_at_work(tmp_path):
    head = 61  # nothing about it is green, so what is green in the film was drawn by the page
    assert not sum(green(frame) for frame in film.clip(head, 3))
    film.main("edgewing-free-s", head, str(tmp_path / "page.webp"))
    picture = Image.open(tmp_path / "page.webp")
    assert picture.n_frames > 20
    shown = []
    for k in range(picture.n_frames):
        picture.seek(k)
        shown.append(green(np.asarray(picture.convert("RGB"))[100:350]))
    assert min(shown) > 0
