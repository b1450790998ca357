"""``tinynn evaluate``."""

import numpy as np
import pytest

import tinynn


def measures(out):
    """The numbers that it prints by their names."""
    pairs = (line.split(": ", 1) for line in out.splitlines() if not line.startswith(" "))
    return {name: value.strip() for name, value in pairs}


def test_shared(tinynn_command, models, digits_directory):
    result = tinynn_command(
        "evaluate", models["shared"], "--sums", 200, "--seed", 5, "--batch-size", 7, "--threads", 2
    )
    assert (result.code, result.err) == (0, "")
    found = measures(result.out)
    assert found["Digits"] == f"400 training and 100 test images from {digits_directory} (TINYNN_DATA)"
    assert found["Sums"] == "200 of 2 of the 100 test images"
    # the digits are easy
    assert found["Exact sums"] == "1.0000"
    assert found["Mean absolute error"] == "0.0000"
    assert found["Digits named right"] == "1.0000 (no digit was ever a label)"


def test_the_measures_are_those_of_the_model(here, models, digits_directory):
    result = here("evaluate", models["baseline"], "--sums", 300, "--data", digits_directory)
    found = measures(result.out)
    assert "Digits named right" not in found
    model = tinynn.load(models["baseline"])
    _, (images, labels) = tinynn.datasets.load_mnist(digits_directory)
    sums = tinynn.datasets.DigitSums(images, labels, digits=2, size=300)
    _, _, totals = sums.samples()
    answers = model.predict(sums).argmax(axis=1)
    assert found["Exact sums"] == f"{np.mean(answers == totals):.4f}"
    assert float(found["Exact sums"]) == pytest.approx(
        model.evaluate(sums, return_dict=True)["accuracy"], abs=1e-4
    )
    assert found["Mean absolute error"] == f"{np.mean(np.abs(answers - totals)):.4f}"


def test_it_says_that_the_offline_digits_are_training_images(here, models, monkeypatch):
    monkeypatch.delenv("TINYNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent/cache")
    result = here("evaluate", models["shared"], "--sums", 10)
    assert result.code == 0, result.err
    assert "one trained on all of MNIST has seen them" in result.out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing"], "missing: No such file or directory"),
        (["."], ".: Is a directory"),
        (["text"], "text is not a safetensors file, or is damaged"),
        (["other"], "other: reads samples of shape (4,), expected (digits, 28, 28)"),
        (["images"], "images: puts out (3,) for 2 images, expected (19,)"),
        (["MODEL", "--sums", "0"], "argument --sums: expected a whole number of at least 1, got '0'"),
        (["MODEL", "--batch-size", "0"], "argument --batch-size: expected"),
        (["MODEL", "--data", "nowhere"], "nowhere does not exist"),
    ],
)
def test_nonsense_is_one_line(here, models, tmp_path, arguments, message):
    (tmp_path / "text").write_text("hello, I am no model\n" * 10)
    tinynn.Sequential([tinynn.layers.Dense(2)], input_shape=(4,)).save(tmp_path / "other")
    layers = [tinynn.layers.Flatten(), tinynn.layers.Dense(3)]
    tinynn.Sequential(layers, input_shape=(2, 28, 28)).save(tmp_path / "images")
    result = here("evaluate", *(models["shared"] if text == "MODEL" else text for text in arguments))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tinynn evaluate: ")
    assert message in result.err
    assert result.err.count("\n") == 1
