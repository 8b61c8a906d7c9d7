import threading

import numpy as np
import pytest

import tessera


def picture(height=40, width=50, channels=3, dtype=np.uint8):
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 3 + columns, columns * 4, rows * 5, 255 - rows]
    p = np.stack([np.clip(plane, 0, 255) for plane in planes[:channels]], -1).astype(np.uint8)
    if dtype == np.uint16:
        return p.astype(np.uint16) * 257
    return (p / np.float32(255)).astype(np.float32) if dtype == np.float32 else p


@pytest.mark.parametrize("dtype,step", [(np.uint8, 1), (np.uint16, 257), (np.float32, 1 / 255)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_kind_of_picture(dtype, step, channels):
    p = picture(channels=channels, dtype=dtype)
    large = tessera.upscale(p)
    assert large.shape == (80, 100, channels) and large.dtype == dtype
    small = large.reshape(40, 2, 50, 2, channels).astype(np.float64).mean((1, 3))
    assert np.abs(small - p)[4:-4, 4:-4].mean() < 3 * step


def test_views_are_read_where_they_are():
    p = picture()
    upscaler = tessera.Upscaler()
    expected = upscaler.upscale(np.ascontiguousarray(p[::2, ::-1]))
    np.testing.assert_array_equal(upscaler.upscale(p[::2, ::-1]), expected)
    planes = np.ascontiguousarray(p.transpose(2, 0, 1))
    np.testing.assert_array_equal(upscaler.upscale(planes.transpose(1, 2, 0)), upscaler.upscale(p))
    wide = p.astype(np.uint16) * 200  # whose two bytes differ
    np.testing.assert_array_equal(upscaler.upscale(wide.astype(">u2")), upscaler.upscale(wide))
    gray = upscaler.upscale(p[:, :, 0])
    assert gray.shape == (80, 100)
    np.testing.assert_array_equal(upscaler.upscale(p[:, :, :1])[:, :, 0], gray)
    np.testing.assert_array_equal(upscaler.upscale(p[:, :1]), upscaler.upscale(np.ascontiguousarray(p[:, :1])))


def test_size_part_dtype_out():
    p = picture()
    with tessera.Upscaler() as upscaler:
        whole = upscaler.upscale(p, size=(75, 60))
        assert whole.shape == (60, 75, 3)
        np.testing.assert_array_equal(upscaler.upscale(p, size=(75, 60), part=(10, 20, 30, 15)), whole[20:35, 10:40])
        wide = upscaler.upscale(p, dtype=np.uint16)
        assert wide.dtype == np.uint16 and abs(int(wide[40, 50, 0]) / 257 - int(upscaler.upscale(p)[40, 50, 0])) <= 0.51
        out = np.zeros((80, 200, 3), np.uint8)[:, ::2]
        assert upscaler.upscale(p, out=out) is out and np.array_equal(out, upscaler.upscale(p))
        assert upscaler.report.windows >= 1 and upscaler.report.notes == []
        with pytest.raises(tessera.ShapeError, match="out"):
            upscaler.upscale(p, out=np.zeros((80, 101, 3), np.uint8))
    with pytest.raises(tessera.UsageError, match="closed"):
        upscaler.upscale(p)


def test_light_stays_brighter_than_white():
    p = np.full((40, 50, 3), 0.25, np.float32)
    p[:, 25:] = 4
    large = tessera.upscale(p, light=True)
    assert large.dtype == np.float32 and abs(large[40, 10, 0] - 0.25) < 0.02 and abs(large[40, 90, 0] - 4) < 0.1
    assert tessera.upscale(p).max() <= 1
    with pytest.raises(tessera.Error):
        tessera.upscale(picture(), light=True)


def test_facts(bundled):
    upscaler = tessera.Upscaler(bundled, device=["cpu"])
    assert upscaler.scale == 2 and upscaler.facts["channels"] == 3 and upscaler.facts["devices"] == ["cpu"]
    assert "x2" in repr(upscaler) and str(bundled) in repr(upscaler)
    assert any(found.what == "scale" and found.value for found in upscaler.explain())
    forecast = upscaler.forecast(640, 480)
    assert forecast.windows >= 1 and forecast.seconds > 0
    np.testing.assert_array_equal(upscaler.upscale(picture()), tessera.upscale(picture(), bundled.read_bytes(), device="cpu"))


def test_progress_cancel_and_errors():
    p = picture(300, 300)
    told = []
    tessera.upscale(p, progress=told.append)
    assert told[-1] == 1 and told == sorted(told)
    cancel = tessera.Cancel()
    with pytest.raises(tessera.Cancelled):
        tessera.upscale(p, progress=lambda done: cancel.cancel(), cancel=cancel, tile=32)

    def fail(done):
        raise LookupError("from the callback")

    with pytest.raises(LookupError):
        tessera.upscale(p, progress=fail)
    with pytest.raises(ValueError, match="picture"):
        tessera.upscale(np.zeros((2, 2, 2, 2), np.uint8))
    with pytest.raises(tessera.Error):
        tessera.upscale(np.zeros((8, 8, 3), np.int32))
    with pytest.raises(tessera.FileError, match="gone"):
        tessera.upscale(p, "gone.onnx")


def test_threads_share_an_upscaler():
    p = picture()
    upscaler = tessera.Upscaler()
    expected = upscaler.upscale(p)
    results = [None] * 4

    def work(i):
        results[i] = upscaler.upscale(p)

    threads = [threading.Thread(target=work, args=(i, )) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_pillow():
    image = pytest.importorskip("PIL.Image")
    large = tessera.upscale(image.fromarray(picture()))
    assert image.fromarray(large).size == (100, 80)
