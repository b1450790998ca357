"""The documents are true: the Python in docs/ runs as it is printed there, and links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import layers, networks

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/*.md")])
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = {
    block.split("(")[0]: block  # what loads MNIST is a program of its own: test_readme.py
    for block in re.findall(r"```python\n(.*?)```", TRAINING, re.DOTALL)
    if "load_mnist" not in block
}


def sequential(*units, inputs=3):
    model = tinynn.Sequential([layers.Dense(n, "tanh") for n in units], input_shape=(inputs,))
    model.compile("sgd", "mse")
    return model


@pytest.fixture
def made():
    """What the readers of the page have made before."""
    x, y = np.linspace(-1, 1, 36).reshape(12, 3).astype("f4"), np.ones((12, 2), "f4")
    folds = [(np.arange(12) % 2 != fold, np.arange(12) % 2 == fold) for fold in range(2)]
    return {"np": np, "tinynn": tinynn, "x": x, "y": y, "folds": folds, "model": sequential(4, 2),
            "models": [sequential(4, 2), sequential(5, 2)], "autoencoder": sequential(32, 8, 32, inputs=784)}


@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs(block, made):
    exec(BLOCKS[block], made)


def test_the_three_ways_to_train_six_epochs_are_one(made):
    results = []
    for part in BLOCKS["model.fit"].split("\n\n"):
        made["model"] = sequential(4, 2)
        exec(part, made)
        results.append(made["model"].fingerprint())
    assert len(results) == 3
    assert len(set(results)) == 1


def test_the_encoder_has_the_weights_of_the_autoencoder(made):
    exec(BLOCKS["encoder = tinynn.Sequential"], made)
    x = np.ones((2, 784), "f4")
    np.testing.assert_array_equal(made["encoder"].predict(x), made["autoencoder"].predict(x, output="dense_1"))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if path.startswith("../tinynn/") and not (ROOT / "tinynn").is_dir():
            continue  # the source is not here, only its tests
        assert target.exists(), link
        if lines := re.fullmatch(r"L(\d+)-L(\d+)", anchor):
            count = len(target.read_text(encoding="utf-8").splitlines())
            assert 1 <= int(lines[1]) <= int(lines[2]) <= count, link
        else:
            assert not anchor or anchor in anchors(target), link


def test_the_picture_of_the_readme_can_be_drawn_again(tmp_path, monkeypatch):
    monkeypatch.delenv("TINYNN_DATA", raising=False)
    monkeypatch.setenv("TINYNN_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    script = importlib.util.spec_from_file_location("ten_digits", ROOT / "docs" / "images" / "ten_digits.py")
    drawing = importlib.util.module_from_spec(script)
    script.loader.exec_module(drawing)
    networks.digit_sum("shared").save(tmp_path / "untrained.safetensors")
    drawing.main([str(tmp_path / "untrained.safetensors"), str(tmp_path / "picture.png")])
    sizes = []
    for picture in (tmp_path / "picture.png", ROOT / "docs" / "images" / "ten-digits.png"):
        assert picture.stat().st_size < 60_000
        with image.open(picture) as opened:
            sizes.append(opened.size)
    assert sizes[0] == sizes[1]
