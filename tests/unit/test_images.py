"""Image files of every kind: decoded, or named with a reason; never an exception, never a warning."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.images import BACKGROUND, FileImages

RED = (200, 30, 40)


def decode(path: Path, size: int = 16) -> np.ndarray | str:
    pixels, reasons = FileImages((path.name,), path.parent).decode(np.array([0]), size)
    assert pixels.shape == (1, size, size, 3)
    assert pixels.dtype == np.uint8
    if reasons:
        assert not pixels.any()
        return reasons[0]
    return pixels[0]


def photograph(seed: int = 0, width: int = 60, height: int = 40) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def png_header(width: int, height: int) -> bytes:
    """A black-and-white PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "1", "P", "YCbCr"])
def test_common_modes_become_rgb(tmp_path, mode):
    grey = mode in ("L", "1")
    image = Image.new("RGB", (20, 20), (255, 255, 255) if grey else RED)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    image.save(path)
    assert np.abs(decode(path).astype(int) - (255 if grey else RED)).max() <= 3


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_deep_grey_is_scaled_from_16_bits(tmp_path, dtype):
    values = np.full((20, 20), 257 * 100, dtype)
    values[:, 10:] = 65535
    Image.fromarray(values).save(tmp_path / "a.tif")
    pixels = decode(tmp_path / "a.tif", 20)
    assert (pixels[:, 0] == 100).all()
    assert (pixels[:, -1] == 255).all()


def test_a_16_bit_png_is_scaled_too(tmp_path):
    Image.fromarray(np.full((20, 20), 257 * 7, np.uint16)).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png") == 7).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_mid_grey(tmp_path, mode):
    image = Image.new("RGBA", (20, 20), (255, 255, 255, 255))
    image.paste((0, 0, 0, 0), (0, 0, 10, 20))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png")
    pixels = decode(tmp_path / "a.png", 20)
    assert (pixels[:, 0] == BACKGROUND).all()
    assert (pixels[:, -1] == 255).all()


def test_exif_orientation_is_honoured(tmp_path):
    image = photograph()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    image.save(tmp_path / "upright.png")
    assert (decode(tmp_path / "turned.png") == decode(tmp_path / "upright.png")).all()


def test_a_broken_exif_block_does_not_hide_the_image(tmp_path):
    photograph().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03")
    assert isinstance(decode(tmp_path / "a.jpg"), np.ndarray)


def test_any_shape_is_resized_to_the_square_with_antialiasing(tmp_path):
    checks = np.indices((300, 200)).sum(0) % 2 * 255
    Image.fromarray(checks.astype(np.uint8)).save(tmp_path / "a.png")
    assert np.abs(decode(tmp_path / "a.png")[1:-1, 1:-1].astype(int) - 127).max() <= 5


def test_a_large_photograph_decodes_to_what_a_full_decode_gives(tmp_path):
    image = photograph(width=2400, height=1600)
    image.save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decode(tmp_path / "a.jpg") - expected).max() <= 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "file is empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "not an image (BMP, JPEG, PNG, TIFF, WEBP)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image (BMP, JPEG, PNG, TIFF, WEBP)"),
        (png_header(9000, 9000), "larger than 64 megapixels"),
        (png_header(10_000, 10_000), "larger than 64 megapixels"),
        (png_header(60_000, 60_000), "larger than 64 megapixels"),
    ],
    ids=["empty", "html", "postscript", "large", "warned-about", "bomb"],
)
def test_what_is_no_usable_image_gets_a_reason(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    assert decode(tmp_path / "a.jpg") == reason


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_gets_a_reason(tmp_path, name, share):
    photograph().save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    assert isinstance(decode(tmp_path / name), str)


def test_a_missing_file_and_a_folder_get_a_reason(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    assert decode(tmp_path / "none.jpg") == "file is missing"
    assert decode(tmp_path / "folder.jpg") == "Is a directory"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((9, 9), 0.5, np.float32), "floating-point pixels of unknown range"),
        (np.full((9, 9), 70_000, np.int32), "32-bit pixels of unknown range"),
        (np.full((9, 9), -1, np.int32), "32-bit pixels of unknown range"),
    ],
)
def test_pixels_of_unknown_range_get_a_reason(tmp_path, values, reason):
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert decode(tmp_path / "a.tif") == reason


def test_bytes_changed_at_random_never_raise(tmp_path):
    rng = np.random.default_rng(0)
    names = []
    for suffix in ("jpg", "png", "webp", "tif", "bmp"):
        photograph().save(tmp_path / f"whole.{suffix}")
        whole = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        for number in range(40):
            content = whole.copy()
            content[rng.integers(0, min(len(content), 200), 8)] = rng.integers(0, 256, 8)
            names.append(f"{number}.{suffix}")
            (tmp_path / names[-1]).write_bytes(content.tobytes())
    images = FileImages(tuple(names), tmp_path)
    pixels, reasons = images.decode(np.arange(len(names)), 16)
    assert pixels.shape == (200, 16, 16, 3)
    assert 0 < len(reasons) < 200
    assert all(reasons.values())
    assert images.dimensions().shape == (200, 2)


def test_reasons_are_keyed_by_position_and_order_is_kept(tmp_path):
    Image.new("RGB", (9, 9), RED).save(tmp_path / "red.png")
    Image.new("RGB", (9, 9), (0, 0, 255)).save(tmp_path / "blue.png")
    images = FileImages(("red.png", "none.png", "blue.png"), tmp_path)
    pixels, reasons = images.decode(np.array([2, 1, 0]), 4)
    assert reasons == {1: "file is missing"}
    assert pixels[[0, 2], 0, 0].tolist() == [[0, 0, 255], list(RED)]


def test_dimensions_are_those_of_the_files(tmp_path):
    photograph().save(tmp_path / "a.jpg")
    assert FileImages(("a.jpg", "none.jpg"), tmp_path).dimensions().tolist() == [[60, 40], [0, 0]]
    assert FileImages((), tmp_path).dimensions().shape == (0, 2)


def test_the_fingerprint_follows_content_and_order_not_place_or_time(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for seed in (0, 1):
            photograph(seed).save(tmp_path / folder / f"{seed}.png")
    paths = ("0.png", "1.png")
    first = FileImages(paths, tmp_path / "one").fingerprint()
    os.utime(tmp_path / "two" / "0.png", (0, 0))
    assert FileImages(paths, tmp_path / "two").fingerprint() == first
    assert FileImages(paths[::-1], tmp_path / "two").fingerprint() != first
    photograph(2).save(tmp_path / "two" / "0.png")
    assert FileImages(paths, tmp_path / "two").fingerprint() != first
    (tmp_path / "one" / "0.png").unlink()
    assert FileImages(paths, tmp_path / "one").fingerprint() != first


BLOCKS = np.zeros((20, 30, 3), np.uint8)
BLOCKS[4:12, 10:18] = RED


def cut(path: Path, box: tuple[int, ...], size: int = 8) -> np.ndarray | str:
    pixels, reasons = FileImages((path.name,), path.parent, np.array([box])).decode(np.array([0]), size)
    return reasons[0] if reasons else pixels[0]


def test_a_box_is_cut_out_and_what_lies_beyond_the_image_is_black(tmp_path):
    Image.fromarray(BLOCKS).save(tmp_path / "a.png")
    assert (cut(tmp_path / "a.png", (10, 4, 18, 12)) == RED).all()
    assert (cut(tmp_path / "a.png", (0, 0, 0, 0), 30) == decode(tmp_path / "a.png", 30)).all()
    beyond = cut(tmp_path / "a.png", (14, -2, 34, 18), 20)
    assert (beyond[6:14, :4] == RED).all()
    assert beyond.sum() == 8 * 4 * sum(RED)


@pytest.mark.parametrize("box", [(30, 0, 40, 10), (5, 5, 5, 9), (9, 0, 5, 9), (-9, 0, 0, 9)])
def test_a_box_without_pixels_is_a_reason(tmp_path, box):
    Image.fromarray(BLOCKS).save(tmp_path / "a.png")
    assert cut(tmp_path / "a.png", box) == f"its box {box} lies outside the image of 30 x 20 pixels"


def test_a_box_far_larger_than_the_image_is_not_filled_with_black(tmp_path):
    Image.fromarray(BLOCKS).save(tmp_path / "a.png")
    assert "larger than 64 megapixels" in cut(tmp_path / "a.png", (0, 0, 10**6, 10**6))


def test_a_box_is_that_of_the_upright_image_in_a_large_photograph(tmp_path):
    wide = np.kron(BLOCKS, np.ones((40, 40, 1), np.uint8))
    turned = Image.fromarray(wide).rotate(90, expand=True)  # as a camera held upright stores it
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", quality=95, exif=exif)
    pixels = cut(tmp_path / "a.jpg", (400, 160, 720, 480))
    assert np.abs(pixels.astype(int) - RED).max() < 12


def test_the_fingerprint_knows_the_boxes(tmp_path):
    Image.fromarray(BLOCKS).save(tmp_path / "a.png")
    boxes = [None, np.array([[0, 0, 8, 8]]), np.array([[0, 0, 8, 9]])]
    assert len({FileImages(("a.png",), tmp_path, box).fingerprint() for box in boxes}) == 3
