import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """What upscalers keep stays out of the user's cache."""
    os.environ["TESSERA_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def bundled():
    return ROOT / "models" / "photo-x2.onnx"


@pytest.fixture
def shared():
    folder = os.environ.get("TESSERA_SHARED")
    if not folder or not pathlib.Path(folder).exists():
        pytest.skip("TESSERA_SHARED is not set")
    return pathlib.Path(folder)
