"""Every kind of picture that a camera or a page may hand over, against Pillow; and every way in which one is broken."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from edgewing import images
from edgewing.errors import InputError

FORMATS = ["jpeg", "png", "webp", "bmp"]


def picture(width: int = 48, height: int = 32) -> Image.Image:
    """Smooth, unlike in every channel and corner, so that codecs lose little and a turn or swap shows."""
    y, x = np.mgrid[:height, :width] / 1.0
    red, green, blue = 255 * x / width, 255 * y / height, 127 + 100 * np.sin((x + y) / 16)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 95} | options if kind in ("jpeg", "webp") else options))
    return stream.getvalue()


def distance(image: np.ndarray, expected: Image.Image) -> float:
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    return float(np.abs(image.astype(int) - np.asarray(expected.convert("RGB")).astype(int)).mean())


@pytest.mark.parametrize("kind", FORMATS)
def test_rgb(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encoded(picture(), kind))
    assert distance(images.read_image(path), picture()) < 3


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp"])
def test_grey_becomes_three_equal_channels(kind):
    image = images.decode(encoded(picture().convert("L"), kind))
    assert distance(image, picture().convert("L")) < 2
    assert (image == image[..., :1]).all()


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_alpha_is_dropped(kind):
    image = picture().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 200))
    assert distance(images.decode(encoded(image, kind)), picture()) < 3


def test_cmyk_jpeg():
    image = picture().convert("CMYK")
    assert distance(images.decode(encoded(image, "jpeg")), image) < 3


def test_16_bits_become_8():
    grey = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    data = encoded(Image.fromarray(grey), "png")
    image = images.decode(data)
    assert np.abs(image[..., 0].astype(int) - (grey >> 8)).max() <= 1
    for of_pillow in (Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data)).convert("I")):
        assert np.abs(images.given(of_pillow).astype(int) - image).max() <= 1


def test_8_bits_in_a_pillow_image_of_whole_numbers_stay():
    grey = np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8)
    assert np.array_equal(images.given(Image.fromarray(grey).convert("I"))[..., 1], grey)


@pytest.mark.parametrize("frame", [np.zeros((4, 32767, 3), np.uint8), Image.new("RGB", (32767, 4))])
def test_what_opencv_cuts_no_crop_out_of_is_refused(frame):
    with pytest.raises(InputError, match="32767 x 4 pixels; no side may have over 32766"):
        images.given(frame)
    with pytest.raises(InputError, match="image: 32767 x 4 pixels; no side"):
        images.decode(encoded(Image.new("RGB", (32767, 4)), "png"))


def test_what_is_no_picture_at_all():
    with pytest.raises(InputError, match="without a pixel"):
        images.given(Image.new("RGB", (0, 0)))
    for wrong in (0, None, 1.5):
        with pytest.raises(InputError, match="expected the path of a file"):
            images.read_image(wrong)


def test_a_pillow_image_whose_file_is_cut_off_or_closed():
    data = encoded(picture(), "jpeg")
    cut, closed = Image.open(io.BytesIO(data[:-100])), Image.open(io.BytesIO(data))
    closed.close()
    for broken in (cut, closed):
        with pytest.raises(InputError, match="a Pillow image that cannot be read"):
            images.given(broken)


def test_a_folder_names_the_pictures_that_are_not_read(tmp_path, capsys):
    for name in ("a.jpg", "b.HEIC", "c.tiff", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert images.in_folder(tmp_path) == [tmp_path / "a.jpg"]
    assert capsys.readouterr().err == f"passed over: {tmp_path}: b.HEIC and 1 more: convert to JPEG or PNG first\n"


def test_palette():
    image = picture().convert("P")
    assert distance(images.decode(encoded(image, "png")), image) == 0


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone_as_viewers_do(orientation, kind):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    image = images.decode(data)
    assert image.shape[:2] == expected.size[::-1]
    assert distance(image, expected) < 2


def test_an_exif_thumbnail_does_not_hide_a_cut():
    """The thumbnail is a JPEG with an end marker of its own."""
    exif = b"Exif\0\0" + encoded(picture(16, 16), "jpeg")
    data = encoded(picture(), "jpeg", exif=exif)
    images.decode(data)
    with pytest.raises(InputError, match="cut off or broken"):
        images.decode(data[: len(data) - 40])


def test_bytes_after_the_end_are_nobodys_business():
    """Phones append a video to a photograph."""
    for kind in FORMATS:
        assert images.decode(encoded(picture(), kind) + b"\0" * 1000).shape == (32, 48, 3)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("progressive", [False, True])
def test_cut_anywhere_is_refused_in_silence(kind, progressive, capfd):
    options = {"progressive": True} if progressive and kind == "jpeg" else {}
    data = encoded(picture(), kind, **options)
    for end in range(1, len(data), 7):
        with pytest.raises(InputError, match="cut off or broken|not a picture"):
            images.decode(data[:end])
    assert capfd.readouterr().err == ""


def test_damaged_png_is_refused_in_silence(capfd):
    data = bytearray(encoded(picture(), "png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InputError, match="cut off or broken"):
        images.decode(bytes(data))
    assert capfd.readouterr().err == ""


def test_a_small_file_of_a_huge_picture_is_refused_before_decoding():
    data = bytearray(encoded(Image.new("L", (64, 64)), "bmp"))
    data[18:26] = struct.pack("<ii", 60000, 60000)
    with pytest.raises(InputError, match="60000 x 60000 pixels; the limit is 64 megapixels"):
        images.decode(bytes(data))


@pytest.mark.parametrize("first, second", [((40, 30), (8000, 8000)), ((8000, 8000), (40, 30)), ((40, 30), (40, 30))])
def test_a_picture_with_two_sizes_is_refused_before_decoding(first, second, capfd):
    """Of two, a decoder allocates one, and a reader looked at the other: 708 bytes took 5.9 GiB."""
    data = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    at = data.index(b"\xff\xc0")
    frame = data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
    sized = [frame[:5] + struct.pack(">HH", height, width) + frame[9:] for width, height in (first, second)]
    with pytest.raises(InputError, match="cut off or broken"):
        images.decode(data.replace(frame, b"".join(sized)))
    assert images.decode(data.replace(frame, frame)).shape == (30, 40, 3)
    png = cv2.imencode(".png", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    head = png[8:33]
    with pytest.raises(InputError, match="cut off or broken"):
        images.decode(png.replace(head, head * 2))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_sizes(lossless):
    for size in ((1, 1), (301, 7)):
        assert images.decode(encoded(Image.new("RGB", size), "webp", lossless=lossless)).shape[1::-1] == size


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"GIF89a" + b"\0" * 50, "not a picture"),
        (b"hello", "not a picture"),
        (b"\xff\xd8\xff", "cut off"),
    ],
)
def test_no_picture(tmp_path, content, said):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        images.read_image(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_no_file_folder_and_too_large(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        images.read_image(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="is a folder"):
        images.read_image(tmp_path)
    large = tmp_path / "large.jpg"
    with open(large, "wb") as file:
        file.truncate(images.LARGEST_FILE + 1)
    with pytest.raises(InputError, match="the limit is 64 MiB"):
        images.read_image(large)


def test_write_and_read_back(tmp_path):
    image = np.asarray(picture())
    images.write(tmp_path / "a.png", image)
    assert np.array_equal(images.read_image(tmp_path / "a.png"), image)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_write_refuses_other_names_and_missing_folders(tmp_path):
    image = np.asarray(picture())
    with pytest.raises(InputError, match="must end in one of"):
        images.write(tmp_path / "a.gif", image)
    with pytest.raises(InputError, match="cannot be written"):
        images.write(tmp_path / "none" / "a.png", image)
    for name, longest in (("a.webp", 16383), ("a.jpg", 65500)):
        with pytest.raises(InputError, match=f"cannot hold a picture of {longest + 1} x 2 px; name a .png"):
            images.write(tmp_path / name, np.zeros((2, longest + 1, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_a_jpeg_without_its_end_marker_is_read_where_no_pixel_is_missing(tmp_path, how, capsys):
    """Of one scan without restarts, which are most; of the others a whole part may be missing unseen."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", **how)
    data = (tmp_path / "a.jpg").read_bytes()
    whole = images.decode(data)
    for cut in (1, 2):
        if how:
            with pytest.raises(InputError, match="cut off"):
                images.decode(data[:-cut])
        else:
            assert np.array_equal(images.decode(data[:-cut], "a.jpg"), whole)
            assert capsys.readouterr().err == "note: a.jpg: has no end marker; its pixels are all there\n"
    for cut in range(6, len(data) // 2, 7):
        with pytest.raises(InputError, match="cut off"):
            images.decode(data[:-cut])


@pytest.mark.parametrize(
    "image", [np.zeros((0, 10, 3), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 16384, 3), np.uint8)]
)
def test_what_a_format_cannot_hold_is_one_line(tmp_path, image, capfd):
    with pytest.raises(InputError, match="webp cannot hold a picture of"):
        images.write(tmp_path / "x.webp", image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_the_size_stands_in_the_first_bytes(tmp_path, kind):
    (tmp_path / "x").write_bytes(encoded(Image.new("RGB", (301, 7)), kind)[:-5])  # that it is cut off is another matter
    assert images.header_size(tmp_path / "x") == (301, 7)
    (tmp_path / "x").write_bytes(b"no picture")
    assert images.header_size(tmp_path / "x") == (0, 0) == images.header_size(tmp_path / "none")
