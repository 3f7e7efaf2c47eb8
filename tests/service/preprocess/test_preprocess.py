"""From what people send to what the network sees: every kind of file, and everything that may be wrong with one."""

from __future__ import annotations

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from service.errors import PictureTooLarge, UndecodablePicture
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import Prepared, decode_grey, prepare, preprocess
from service.preprocess.thumbnail import fit_thumbnail

MODELS = Path(__file__).resolve().parents[3] / "models" / "digits"
# Hand-drawn corner by corner, x and y in the unit square.
DRAWINGS: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.5, 0.1), (0.3, 0.2), (0.22, 0.5), (0.3, 0.8), (0.5, 0.9), (0.7, 0.8), (0.78, 0.5), (0.7, 0.2), (0.5, 0.1)]],
    1: [[(0.55, 0.1), (0.5, 0.9)]],
    2: [[(0.25, 0.28), (0.35, 0.13), (0.6, 0.12), (0.72, 0.28), (0.6, 0.5), (0.25, 0.88), (0.78, 0.86)]],
    3: [
        [(0.28, 0.16), (0.55, 0.1), (0.7, 0.25), (0.6, 0.42), (0.42, 0.47)],
        [(0.42, 0.47), (0.66, 0.55), (0.74, 0.72), (0.58, 0.9), (0.25, 0.86)],
    ],
    4: [[(0.35, 0.1), (0.25, 0.52), (0.75, 0.5)], [(0.65, 0.2), (0.6, 0.92)]],
    5: [
        [(0.72, 0.12), (0.35, 0.12), (0.3, 0.45), (0.55, 0.42), (0.72, 0.58), (0.68, 0.8), (0.45, 0.92), (0.25, 0.84)],
    ],
    7: [[(0.22, 0.14), (0.75, 0.13), (0.6, 0.45), (0.45, 0.92)]],
}


def drawn(
    digit: int,
    *,
    size: tuple[int, int] = (200, 200),
    height: float = 140,
    middle: tuple[float, float] | None = None,
    pen: float = 14,
) -> NDArray[np.float32]:
    """Draw a digit as coverage, float32 [height, width] of 0…1."""
    x, y = middle or (size[0] / 2, size[1] / 2)
    sheet = Image.new("L", (2 * size[0], 2 * size[1]))
    brush = ImageDraw.Draw(sheet)
    for line in DRAWINGS[digit]:
        points = [(2 * (x + (u - 0.5) * height / 0.8), 2 * (y + (v - 0.5) * height / 0.8)) for u, v in line]
        brush.line(points, fill=255, width=max(1, round(2 * pen)), joint="curve")
        for u, v in points:
            brush.ellipse([u - pen, v - pen, u + pen, v + pen], fill=255)
    return np.asarray(sheet.reduce(2), np.float32) / 255


def black_on_white(ink: NDArray[np.float32], dark: float = 0, light: float = 255) -> NDArray[np.uint8]:
    """Lay ink on paper."""
    return (light + ink * (dark - light)).astype(np.uint8)


def as_file(pixels: NDArray[np.generic] | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Write a picture as a file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def header_only(width: int, height: int) -> bytes:
    """Make a PNG that announces a size and holds almost nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in chunks)


@pytest.fixture(scope="module")
def session() -> DigitSession:
    """Open the shipped model as the service does."""
    return DigitSession(load_artifact(MODELS), "cpu")


def read(session: DigitSession, prepared: Prepared) -> int | str:
    """Give the network's digit, or why preprocessing refused."""
    return prepared.rejected or int(session.run(prepared.image[None]).probabilities[0].argmax())


def alike(one: Prepared, other: Prepared) -> float:
    """Tell how alike two prepared images are: the cosine between them, 1 for the same picture."""
    a, b = one.image.astype(np.float64).ravel(), other.image.astype(np.float64).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# --- what comes out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_drawing_comes_out_in_mnist_s_layout(digit: int) -> None:
    """The longer side is 20 pixels, the centre of mass within half a pixel of (14, 14), full ink 255, paper 0."""
    image = prepare(black_on_white(drawn(digit))).image
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (20, 21)
    weights = image / image.sum()
    assert weights.sum(1) @ np.arange(28) == pytest.approx(14, abs=0.5)
    assert weights.sum(0) @ np.arange(28) == pytest.approx(14, abs=0.5)
    assert image.max() == 255


def test_an_mnist_picture_passes_untouched() -> None:
    """White on black, in a 20x20 box, centred by mass: not a pixel changes."""
    image = fit_thumbnail(drawn(3)[20:180, 20:180])
    again = preprocess(as_file(image))
    assert np.array_equal(again.image, image)
    assert again.rejected is None


@pytest.mark.parametrize("digit", DRAWINGS)
def test_every_stroke_width_becomes_one_the_network_knows(session: DigitSession, digit: int) -> None:
    """From one pixel on a 500-pixel canvas to a fifth of the height, the answer is the digit."""
    for pen in (1, 4, 20, 70):
        ink = drawn(digit, size=(500, 500), height=350, pen=pen)
        assert read(session, prepare(black_on_white(ink))) == digit, f"a pen of {pen} pixels"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    digit=st.sampled_from(sorted(DRAWINGS)),
    width=st.integers(90, 600),
    height=st.integers(90, 600),
    share=st.floats(0.3, 0.8),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    light_on_dark=st.booleans(),
)
def test_polarity_scale_position_and_canvas_do_not_change_the_answer(
    digit: int, width: int, height: int, share: float, x: float, y: float, *, light_on_dark: bool
) -> None:
    """Whatever the canvas and wherever the digit is on it, black on white or white on black, the answer is the same."""
    size = share * min(width, height)
    room = [(side - 1.15 * size) / 2 for side in (width, height)]
    middle = (width / 2 + (2 * x - 1) * room[0], height / 2 + (2 * y - 1) * room[1])
    picture = black_on_white(drawn(digit, size=(width, height), height=size, middle=middle, pen=0.1 * size))
    prepared = prepare(255 - picture if light_on_dark else picture)
    reference = prepare(black_on_white(drawn(digit)))
    assert prepared.rejected is None
    assert alike(prepared, reference) > 0.85
    assert read(_shared_session(), prepared) == digit


_SESSIONS: list[DigitSession] = []


def _shared_session() -> DigitSession:
    """Open the model once for the property test, which may use no fixture that is made anew for each example."""
    if not _SESSIONS:
        _SESSIONS.append(DigitSession(load_artifact(MODELS), "cpu"))
    return _SESSIONS[0]


# --- light, paper and things around the digit ----------------------------------------------------------------------


def lamp(size: tuple[int, int], depth: float) -> NDArray[np.float32]:
    """Light from the upper left that falls off by `depth` towards the far corner."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    return (1 - depth * (x + y) / 2).astype(np.float32)


SIZE = (400, 300)


@pytest.fixture
def photo() -> NDArray[np.float32]:
    """A 5 in the middle of a page, float32 of 0…1."""
    return drawn(5, size=SIZE, height=130, pen=11)


def shot(ink: NDArray[np.float32], light: NDArray[np.float32] | float, *, dark: float = 50) -> NDArray[np.uint8]:
    """Look at a page as a phone does: lit, a little blurred, with noise."""
    noise = np.random.default_rng(0).normal(0, 2, ink.shape)
    page = np.clip((220 + ink * (dark - 220)) * light + noise, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(page).filter(ImageFilter.GaussianBlur(0.7)))


def test_a_falling_light_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """The far corner of the paper is darker than the ink under the lamp."""
    assert read(session, prepare(shot(photo, lamp(SIZE, 0.8)))) == 5


def test_a_vignette_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """Dark corners all around do not count."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]))
    assert read(session, prepare(shot(photo, (1 - 0.35 * (x**2 + y**2)).astype(np.float32)))) == 5


def test_the_edge_of_a_shadow_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A hard shadow runs right through the digit."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    assert read(session, prepare(shot(photo, np.where(x + 0.3 * y > 240, 0.55, 1).astype(np.float32)))) == 5


def test_a_band_of_light_is_not_the_ink_of_a_drawing(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """Sun through a gap puts two even levels on the page, as a drawing has them; the writing is neither."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    band = 0.6 + 0.4 * np.clip((50 - np.abs(y - 0.5 * x - 50)) / 24 + 0.5, 0, 1)
    assert read(session, prepare(shot(photo, band.astype(np.float32)))) == 5


@pytest.mark.parametrize("digit", [1, 4, 7])
def test_a_long_straight_stroke_is_no_printed_line(session: DigitSession, digit: int) -> None:
    """Bars and stems that are longer than half of the photo stay, also near its side."""
    ink = drawn(digit, size=(300, 220), height=190, middle=(240, 110), pen=9)
    assert read(session, prepare(shot(ink, lamp((300, 220), 0.2)))) == digit


def test_faint_pencil_is_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A stroke that takes a fifth of the light away is read, under a falling light."""
    assert read(session, prepare(shot(photo * 0.25, lamp(SIZE, 0.4)))) == 5


@pytest.mark.parametrize("grid", [False, True], ids=["lined", "grid"])
def test_printed_lines_are_no_ink(session: DigitSession, photo: NDArray[np.float32], *, grid: bool) -> None:
    """Lines that cross the digit go, and the strokes that they cross stay."""
    lines = photo.copy()
    lines[20::40] = np.maximum(lines[20::40], 0.5)
    if grid:
        lines[:, 15::40] = np.maximum(lines[:, 15::40], 0.5)
    assert read(session, prepare(shot(lines, lamp(SIZE, 0.2)))) == 5


def test_a_ring_binding_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A row of black holes along the side is darker than the pen and does not count."""
    holes = Image.fromarray(photo)
    for y in range(15, SIZE[1], 30):
        ImageDraw.Draw(holes).ellipse([12, y - 8, 28, y + 8], fill=1.0)
    assert read(session, prepare(shot(np.asarray(holes), lamp(SIZE, 0.2)))) == 5


def test_a_table_beside_the_paper_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A dark strip along one side is a table."""
    table = photo.copy()
    table[:, -45:] = 0.8
    assert read(session, prepare(shot(table, lamp(SIZE, 0.2)))) == 5


def test_the_box_of_a_form_is_no_ink(session: DigitSession) -> None:
    """A scanned field with its four printed lines shows only what was written into it."""
    ink = drawn(5, size=(60, 70), height=42, pen=3.5)
    for line in (ink[3:5], ink[-5:-3], ink[:, 3:5], ink[:, -5:-3]):
        line[...] = 0.9
    assert read(session, prepare(black_on_white(ink, 30, 245))) == 5


@pytest.mark.parametrize("digit", [2, 5, 7])
def test_a_comb_and_a_box_that_is_cut_off_are_no_ink(session: DigitSession, digit: int) -> None:
    """What a form's field leaves in a narrow crop: a line below, and stubs that rise from it at both sides."""
    ink = drawn(digit, size=(46, 60), height=38, pen=2.5)
    ink[-5:-2] = ink[-25:, 1:4] = ink[-25:, -4:-1] = 0.8
    assert read(session, prepare(black_on_white(ink, 60, 235))) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("blur", [2, 3.5, 6])
@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_soft_drawing_keeps_its_polarity(
    session: DigitSession, digit: int, blur: float, *, light_on_dark: bool
) -> None:
    """A small picture that was enlarged has no sharp edge, and its dark ground is still no ink."""
    page = Image.fromarray(black_on_white(drawn(digit, size=(280, 280), height=180, pen=13)))
    soft = np.asarray(page.filter(ImageFilter.GaussianBlur(blur)))
    assert read(session, prepare(255 - soft if light_on_dark else soft)) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", [0, 2, 3, 5, 7])
def test_a_tight_crop_keeps_its_polarity(session: DigitSession, digit: int, *, light_on_dark: bool) -> None:
    """A thick digit cut along its ink has more ink than paper on its border, and is read all the same."""
    ink = drawn(digit, pen=20)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    picture = black_on_white(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    assert read(session, prepare(255 - picture if light_on_dark else picture)) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", [0, 2, 3, 5])
def test_a_thick_digit_in_a_small_crop_keeps_its_polarity(
    session: DigitSession, digit: int, *, light_on_dark: bool
) -> None:
    """The ink covers half of the picture or more, and leaves an even border of a few pixels."""
    ink = drawn(digit, size=(58, 80), height=60, pen=15)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 4)
    pixels = np.asarray(Image.fromarray(black_on_white(ink)).filter(ImageFilter.GaussianBlur(1)))
    assert read(session, prepare(255 - pixels if light_on_dark else pixels)) == digit


@pytest.mark.parametrize("digit", DRAWINGS)
def test_sixteen_pixels_are_enough(session: DigitSession, digit: int) -> None:
    """A digit of 16x16 pixels that touches all sides is read, grey and binary."""
    ink = drawn(digit, pen=9)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    crop = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = 16 / max(crop.size)
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    grey = np.zeros((16, 16), np.float32)
    left, top = (16 - size[0]) // 2, (16 - size[1]) // 2
    grey[top : top + size[1], left : left + size[0]] = np.asarray(crop.resize(size, Image.Resampling.BOX))
    assert read(session, prepare(black_on_white(grey, 255, 0))) == digit
    assert read(session, prepare(black_on_white((grey > 0.45).astype(np.float32)))) == digit


# --- no single digit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("side", [10, 28, 120])
def test_an_even_page_is_blank(level: int, side: int) -> None:
    """Nothing was written on a black, a grey or a white page."""
    prepared = prepare(np.full((side, side), level, np.uint8))
    assert prepared.rejected == "blank"
    assert not prepared.image.any()


def test_a_lit_page_without_writing_is_blank() -> None:
    """Gradient, shadow and noise are no writing."""
    assert prepare(shot(np.zeros(SIZE[::-1], np.float32), lamp(SIZE, 0.5))).rejected == "blank"


def test_slivers_are_blank() -> None:
    """What is three pixels wide holds no digit."""
    assert prepare(np.random.default_rng(0).integers(0, 256, (3, 200), np.uint8)).rejected == "blank"


@pytest.mark.parametrize(("side", "speck", "rejected"), [(200, 5, "blank"), (640, 5, "blank"), (640, 8, None)])
def test_a_speck_is_no_digit(side: int, speck: int, rejected: str | None) -> None:
    """Dirt on an empty page is too small for a digit; on a large page a digit may be not much larger."""
    page = np.zeros((side, side), np.float32)
    page[side // 2 : side // 2 + speck, side // 3 : side // 3 + speck // 3 + 1] = 1
    assert prepare(black_on_white(page)).rejected == rejected


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_small_digit_on_a_large_page_is_found(digit: int) -> None:
    """A fiftieth of the page's longer side, as of a form that was scanned whole, is enough."""
    assert prepare(black_on_white(drawn(digit, size=(600, 440), height=12, pen=1))).rejected is None


@pytest.mark.parametrize("start", [120, 2], ids=["within", "at the side"])
@pytest.mark.parametrize("across", [False, True], ids=["down", "across"])
def test_what_is_left_of_a_margin_is_no_digit(*, across: bool, start: int) -> None:
    """A line of the paper that is darker for a while is still that line; a stroke beside it is written."""
    page = np.zeros((300, 300), np.float32)
    page[:, 148:151] = 0.35
    written = page.copy()
    page[start : start + 60, 148:151] = 0.9
    written[120:180, 90:96] = 0.9
    page, written = (page.T, written.T) if across else (page, written)
    light = lamp((300, 300), 0.2)
    assert prepare(shot(page, light)).rejected == "blank"
    assert prepare(shot(written, light)).rejected is None


@pytest.mark.parametrize("offset", range(-8, 9, 2))
@pytest.mark.parametrize("pitch", [0, 12, 60], ids=["margin", "narrow grid", "grid"])
def test_a_one_that_crosses_a_line_is_written(offset: int, pitch: int) -> None:
    """A slanted stroke, three times as wide as the lines that it crosses, is none of them."""
    page = drawn(1, size=(300, 300), height=120, middle=(150 + offset, 150), pen=3)
    lines = np.zeros_like(page)
    lines[:, 149:151] = 0.4
    if pitch:
        lines[::pitch] = lines[1::pitch] = 0.4
    assert prepare(shot(np.maximum(page * 0.9, lines), lamp((300, 300), 0.2))).rejected is None


@pytest.mark.parametrize(("pen", "rejected"), [(18, "several_digits"), (14, "several_digits"), (1.5, None)])
def test_digits_of_two_pens_are_several(pen: float, rejected: str | None) -> None:
    """A thick digit beside a thin one is a second digit all the same; a hair is not."""
    page = np.hstack([drawn(2, size=(150, 200), pen=7), drawn(7, size=(150, 200), pen=pen)])
    assert prepare(black_on_white(page)).rejected == rejected


@pytest.mark.parametrize("light_on_dark", [False, True])
def test_two_digits_side_by_side_are_several(*, light_on_dark: bool) -> None:
    """A number of two digits is not read as one of them."""
    page = np.hstack([drawn(3, size=(150, 200)), drawn(5, size=(150, 200))])
    picture = black_on_white(page)
    assert prepare(255 - picture if light_on_dark else picture).rejected == "several_digits"


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_digit_in_two_strokes_is_one(digit: int) -> None:
    """An open 4 or a 5 with its bar apart is not taken for two digits."""
    assert prepare(black_on_white(drawn(digit, pen=5))).rejected is None


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_is_read(session: DigitSession, kind: str) -> None:
    """The same drawing gives the same answer from all six formats."""
    assert read(session, preprocess(as_file(black_on_white(drawn(2)), kind))) == 2


def test_a_turned_photo_is_turned_back(session: DigitSession) -> None:
    """EXIF orientations 1 to 8 all show an upright digit."""
    upright = Image.fromarray(black_on_white(drawn(7, size=(200, 260))))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in undo.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if turn is None else upright.transpose(turn)
        assert read(session, preprocess(as_file(stored, "JPEG", exif=exif))) == 7, f"orientation {orientation}"


@pytest.mark.parametrize("colour", [0, 255], ids=["black", "white"])
def test_nothing_is_a_background(session: DigitSession, colour: int) -> None:
    """Black and white strokes on a transparent ground are both read."""
    alpha = (drawn(2) * 255).astype(np.uint8)
    rgb = np.full((*alpha.shape, 3), colour, np.uint8)
    assert read(session, preprocess(as_file(np.dstack([rgb, alpha])))) == 2


def test_odd_modes_are_read(session: DigitSession) -> None:
    """Palette, 16 and 12 bits, CMYK, one bit, and grey with alpha."""
    picture = Image.fromarray(black_on_white(drawn(2)))
    grey = np.asarray(picture).astype(np.uint16)
    files = {
        "palette": as_file(picture.convert("RGB").quantize(8)),
        "palette with a transparent colour": as_file(picture.quantize(2), transparency=0),
        "16 bits": as_file(Image.fromarray(grey * 257)),
        "12 bits": as_file(Image.fromarray(grey * 16), "TIFF"),
        "float": as_file(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"),
        "CMYK": as_file(picture.convert("CMYK"), "JPEG"),
        "one bit": as_file(picture.convert("1")),
        "grey and alpha": as_file(picture.convert("LA")),
    }
    for name, data in files.items():
        assert read(session, preprocess(data)) == 2, name


def test_a_large_photo_is_decoded_small() -> None:
    """Twelve megapixels reach the pipeline as a few hundred thousand."""
    grey = decode_grey(as_file(Image.new("L", (4000, 3000), 200), "JPEG"))
    assert max(grey.shape) <= 640


# --- hostile bytes -------------------------------------------------------------------------------------------------


def test_a_bomb_costs_nothing() -> None:
    """60,000 x 60,000 pixels are refused on the header, before a pixel is decoded."""
    before = time.process_time()
    with pytest.raises(PictureTooLarge, match="60000"):
        preprocess(header_only(60_000, 60_000))
    assert time.process_time() - before < 0.5


def test_the_limit_is_the_caller_s() -> None:
    """One pixel more than the limit is refused, the limit itself is not."""
    data = as_file(np.zeros((10, 10), np.uint8))
    assert preprocess(data, max_pixels=100).rejected == "blank"
    with pytest.raises(PictureTooLarge, match="10 x 10 = 100 pixels; the limit is 99"):
        preprocess(data, max_pixels=99)


@pytest.mark.parametrize(
    "data",
    [b"", b"digit", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", header_only(20, 20)[:40]],
    ids=["empty", "text", "svg", "pdf", "cut header"],
)
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    """The message names the size of the body and the formats that would do."""
    with pytest.raises(UndecodablePicture, match=rf"{len(data)} bytes.*PNG, JPEG"):
        preprocess(data)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PCX", "TGA", "EPS", "PDF"])
def test_other_formats_are_not_decoded(kind: str) -> None:
    """A decoder that nobody needs is one that nobody can attack."""
    with pytest.raises(UndecodablePicture):
        preprocess(as_file(Image.new("RGB", (32, 32)), kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_files_are_the_caller_s_mistake(kind: str, data: st.DataObject) -> None:
    """Whatever the decoder throws on changed or missing bytes, the caller gets one of the two errors, or an answer."""
    body = bytearray(as_file(black_on_white(drawn(2, size=(40, 40), height=28, pen=3)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        prepared = preprocess(bytes(body))
    except (UndecodablePicture, PictureTooLarge):
        return
    assert prepared.image.shape == (28, 28)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 130),
    width=st.integers(1, 130),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.01, 0.5, 1]),
)
def test_any_pixels_give_an_image(height: int, width: int, seed: int, share: float) -> None:
    """No shape and no content makes it fail: uint8 [28, 28] always comes out."""
    rng = np.random.default_rng(seed)
    pixels = np.where(rng.random((height, width)) < share, rng.integers(0, 256, (height, width)), 255).astype(np.uint8)
    prepared = prepare(pixels)
    assert prepared.image.shape == (28, 28)
    assert prepared.image.dtype == np.uint8


def test_threads_do_not_disturb_each_other() -> None:
    """Eight pictures prepared at once are the same as one after the other."""
    files = [as_file(black_on_white(drawn(digit)), kind) for digit in (0, 2, 5, 7) for kind in ("PNG", "JPEG")]
    alone = [preprocess(data).image for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = [prepared.image for prepared in pool.map(preprocess, files * 4)]
    assert all(np.array_equal(image, alone[place % 8]) for place, image in enumerate(together))
