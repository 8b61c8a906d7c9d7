"""Files of pictures, and ImageDecoder."""
import numpy as np
import onnx_pen as pen
import pytest

import tessera
import tessera.onnxruntime as ort
from tessera import pictures


@pytest.fixture(autouse=True)
def library():
    try:
        pictures._library()
    except tessera.UnsupportedError as error:
        pytest.skip(f"skipped: {error}")


def colors(height, width, channels, dtype=np.uint8):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    numbers = np.arange(height * width * channels).reshape(height, width, channels) * 7 % 97 / 97
    return (numbers * top).astype(dtype)


@pytest.mark.parametrize("format, channels, dtype", [("png", 4, np.uint8), ("tif", 3, np.uint16), ("pfm", 3, np.float32),
                                                     ("pam", 2, np.uint8), ("png", 1, np.uint16)])
def test_what_is_written_is_read(tmp_path, format, channels, dtype):
    picture, light = colors(13, 21, channels, dtype), dtype == np.float32
    path = tmp_path / "deep" / f"a.{format}"
    assert pictures.write(path, picture, light=light) == []
    np.testing.assert_array_equal(pictures.read(path), picture)
    told = pictures.facts(path)
    assert (told["format"], told["width"], told["channels"], told["dtype"]) == (format, 21, channels, np.dtype(dtype).name)
    file = pictures.encode(picture[::-1, :, :], format, light=light)
    np.testing.assert_array_equal(pictures.read(file), picture[::-1])


def test_what_a_file_says_goes_along(tmp_path):
    first = pictures.encode(colors(8, 8, 3), "png", texts={"Title": "grün"}, density=(3937, 3937))
    told = pictures.facts(pictures.encode(colors(16, 16, 3), "tif", like=first))
    assert told["texts"]["Title"] == "grün" and round(told["density"][0]) == 3937


def test_misuse_is_told(tmp_path):
    with pytest.raises(tessera.FileError, match="nothing.png"):
        pictures.read(tmp_path / "nothing.png")
    with pytest.raises(tessera.UsageError, match="give png, jpg"):
        pictures.write(tmp_path / "a.docx", colors(4, 4, 3))
    with pytest.raises(tessera.DtypeError, match="float64"):
        pictures.encode(np.zeros((4, 4, 3)), "png")
    with pytest.raises(tessera.ShapeError):
        pictures.encode(np.zeros(4, np.uint8), "png")
    with pytest.raises(tessera.FileError, match="most_pixels"):
        pictures.read(pictures.encode(colors(4, 4, 3), "png"), most_pixels=15)
    assert pictures.write(tmp_path / "a.jpg", colors(4, 4, 4)) == ["jpg holds no transparency: put on a white ground"]
    assert [each.name for each in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("pixels, expected", [("RGB", [[10, 20, 30], [200, 100, 50]]), ("BGR", [[30, 20, 10], [50, 100, 200]]),
                                              ("Grayscale", [[18], [124]])])
def test_image_decoder(pixels, expected):
    model = pen.model([pen.node("ImageDecoder", ["file"], ["picture"], pixel_format=pixels)],
                      [("file", pen.tensor_type("uint8", ["n"]))], [("picture", pen.tensor_type("uint8"))], opset=20)
    session = tessera.Session(model, operators=[pictures.ImageDecoder])
    file = pictures.encode(np.array([[[10, 20, 30], [200, 100, 50]]], np.uint8), "png")
    [picture] = session.run([np.frombuffer(file, np.uint8)])
    np.testing.assert_array_equal(picture, [expected])
    [nothing] = session.run([np.zeros(5, np.uint8)])
    assert nothing.shape == (0, 0, len(expected[0]))
    # And as scripts for ONNX Runtime bring operators.
    options = ort.SessionOptions()
    options.register_custom_ops_library("/anywhere/libtessera_pictures.so.0")
    [same] = ort.InferenceSession(model, options).run(None, {"file": np.frombuffer(file, np.uint8)})
    np.testing.assert_array_equal(same, picture)


def test_other_libraries_of_operators_are_not_for_python():
    with pytest.raises(ort.NotImplemented, match="register_custom_ops_library"):
        ort.SessionOptions().register_custom_ops_library("libmine.so")
