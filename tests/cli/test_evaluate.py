"""``tinynn evaluate``."""

import os
import re
import resource

import numpy as np
import pytest

import tinynn
from tinynn.cli import gallery
from tinynn.networks import digit_sum


def measures(out):
    """What it prints by name, and its table: a list of words for each row."""
    pairs = (line.split(": ", 1) for line in out.splitlines() if ": " in line and not line.startswith(" "))
    table = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    return {name: value.strip() for name, value in pairs}, table


def test_shared(tinynn_command, models, digits_directory):
    result = tinynn_command(
        "evaluate", models["shared"], "--sums", 200, "--seed", 5, "--batch-size", 7, "--threads", 2, "--images", "2,50"
    )
    assert (result.code, result.err) == (0, "")
    found, table = measures(result.out)
    assert found["Digits"] == f"400 training and 100 test images from {digits_directory} (TINYNN_DATA)"
    assert found["Sums"] == "200 of the 100 test images"
    # the digits are easy, and it was trained with two
    assert table == [[n, "1.0000", "0.0000", "1.0000", "1.0000", "to", "1.0000"] for n in ("2", "50")]
    assert found["Digits named right"] == "1.0000 (no digit was ever a label)"


def test_the_measures_are_those_of_the_model(here, models, digits_directory):
    result = here("evaluate", models["baseline"], "--sums", 300, "--data", digits_directory)
    found, [row] = measures(result.out)
    assert "Digits named right" not in found
    model = tinynn.load(models["baseline"])
    _, (images, labels) = tinynn.datasets.load_mnist(digits_directory)
    sums = tinynn.datasets.DigitSums(images, labels, digits=2, size=300)
    _, _, totals = sums.samples()
    answers = model.predict(sums).argmax(axis=1)
    assert row == ["2", f"{np.mean(answers == totals):.4f}", f"{np.mean(np.abs(answers - totals)):.4f}"]
    assert float(row[1]) == pytest.approx(model.evaluate(sums, return_dict=True)["accuracy"], abs=1e-4)


def test_several_models_are_averaged(here, models, digits_directory):
    facts, table = measures(here("evaluate", models["shared"], "--sums", 50).out)
    assert facts["Fingerprint"] == tinynn.load(models["shared"]).fingerprint()
    twice = {**facts, "Fingerprint": f"{facts['Fingerprint']}, {facts['Fingerprint']}"}
    assert measures(here("evaluate", models["shared"], models["shared"], "--sums", 50).out) == (twice, table)
    assert table[0][0] == "10"


def test_it_says_that_the_offline_digits_are_training_images(here, models, monkeypatch):
    monkeypatch.delenv("TINYNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent/cache")
    result = here("evaluate", models["shared"], "--sums", 10)
    assert result.code == 0, result.err
    assert "a model trained on MNIST has seen them" in result.out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing"], "missing: No such file or directory"),
        (["."], ".: Is a directory"),
        (["text"], "text is not a safetensors file, or is damaged"),
        (["other"], "other: the model's input must be of shape (digits, 28, 28), got (4,)"),
        (["images"], "images: the model's output for 2 images must be of shape (19,), a number for each sum, got (3,)"),
        (["MODEL", "--images", "5,0"], "argument --images: must be a whole number of at least 1, got '0'"),
        (["MODEL", "--images", ""], "argument --images: must be"),
        (["BASELINE", "--images", "3"], "adds 2 images; leave --images out"),
        (["BASELINE", "--copies", "2"], "--copies: "),
        (["MODEL", "--copies", "-1"], "argument --copies: must be a whole number of at least 0"),
        (["BASELINE", "BASELINE"], "MODEL: only networks that read digits can be averaged"),
        (["MODEL", "--sums", "0"], "argument --sums: must be a whole number of at least 1, got '0'"),
        (["MODEL", "--batch-size", "0"], "argument --batch-size: must be"),
        (["MODEL", "--data", "nowhere"], "nowhere does not exist"),
    ],
)
def test_nonsense_is_one_line(here, models, tmp_path, arguments, message):
    (tmp_path / "text").write_text("hello, I am no model\n" * 10)
    tinynn.Sequential([tinynn.layers.Dense(2)], input_shape=(4,)).save(tmp_path / "other")
    layers = [tinynn.layers.Flatten(), tinynn.layers.Dense(3)]
    tinynn.Sequential(layers, input_shape=(2, 28, 28)).save(tmp_path / "images")
    paths = {"MODEL": models["shared"], "BASELINE": models["baseline"]}
    result = here("evaluate", *(paths.get(text, text) for text in arguments))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tinynn evaluate: ")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_changed_copies_are_averaged(here, models):
    plain = here("evaluate", models["shared"], "--sums", 50).out
    result = here("evaluate", models["shared"], "--sums", 50, "--copies", 3)
    assert result.code == 0, result.err
    # shared has never seen a bar that is moved, which is what says which digit it is
    averaged, alone = (float(measures(out)[0]["Digits named right"][:6]) for out in (result.out, plain))
    assert averaged < alone


def test_gallery_and_report(here, models, digits_directory, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "h.csv").write_text("epoch,loss,accuracy,val_loss,val_accuracy\n0,3.1,0.1,3.2,0.2\n1,2.1,0.3,2.2,0.4\n")
    files = ("--gallery", "g.png", "--report", "r.html", "--history", "h.csv")
    result = here("evaluate", models["shared"], "--sums", 20, "--images", "3,30", *files)
    assert result.code == 0, result.err
    assert "Gallery written to g.png" in result.out
    assert "Report written to r.html" in result.out
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "r.html").read_text()
    titles = ("Model", "Training", "Sums", "What it reads", "Which digits it confuses")
    assert re.findall("<h[12]>(.*?)</h[12]>", page) == [f"tinynn: {models['shared']}", *titles]
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    model = tinynn.load(models["shared"])
    facts = dict(re.findall("<tr><th>([^<]*)</th><td>([^<]*)</td></tr>", page))
    assert facts.pop("At the end").startswith("loss ")
    assert facts == {
        "File": str(models["shared"]),
        "Network": "shared",
        "Parameters": "101,770",
        "Fingerprint": model.fingerprint(),
        "Trained with": "sums of 2 digits, seed 0",
        "Epochs": "20 of 400 samples, batches of 16",
    }
    for text in ("<td>30</td>", "Digits named right: 1.0", "reader  TimeDistributed"):
        assert text in page
    assert "read as</th>" not in page  # nothing is confused
    assert matrix_of(page) == np.diag(np.full(10, 10)).tolist()
    assert "http" not in page
    here("evaluate", models["shared"], "--sums", 20, "--images", "2", "--report", "r.html")
    assert "<h2>Training</h2>" not in (tmp_path / "r.html").read_text()


def test_confusions_are_in_the_report(here, models, tmp_path, digits_directory):
    pytest.importorskip("matplotlib")
    model = tinynn.load(models["shared"])
    weights = model.get_weights()
    weights[3][4] -= 50  # no 4 any more
    model.set_weights(weights)
    model.save(tmp_path / "blind")
    assert here("evaluate", "blind", "--sums", 20, "--report", "r.html", "--gallery", "g.png").code == 0
    page = (tmp_path / "r.html").read_text()
    _, (images, labels) = tinynn.datasets.load_mnist(digits_directory)
    read = model.predict(images[:, None], output="reader")[:, 0].argmax(axis=1)
    expected = [[int(np.sum((labels == digit) & (read == answer))) for answer in range(10)] for digit in range(10)]
    assert matrix_of(page) == expected
    assert expected[4][4] == 0
    assert "<tr><td>4</td>" in page


def matrix_of(page):
    """The numbers in the page's table of confusions."""
    (table,) = re.findall('<table class="matrix">(.*?)</table>', page)
    rows = [re.findall("<td[^>]*>([^<]*)</td>", row) for row in table.split("</tr>")]
    return [[int(cell) for cell in row] for row in rows if row]


def test_quiet(here, models, tmp_path):
    pytest.importorskip("matplotlib")
    result = here("evaluate", models["shared"], "--sums", 20, "--quiet", "--report", "r.html")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert (tmp_path / "r.html").is_file()


@pytest.mark.parametrize("option, name", [("--gallery", "g.png"), ("--report", "r.html")])
def test_on_a_full_disk_the_older_picture_stays(start, models, tmp_path, option, name):
    pytest.importorskip("matplotlib")
    (tmp_path / name).write_bytes(b"older")
    limit = (5000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    process = start("evaluate", models["shared"], "--sums", 20, option, name, cwd=tmp_path,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    err = process.communicate(timeout=120)[1]
    assert (process.returncode, err) == (2, f"tinynn evaluate: {option}: cannot write {name}: File too large\n")
    assert (tmp_path / name).read_bytes() == b"older"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "notes, provenance",
    [
        ({"tinynn train": "<script>"}, {"recipe": ["<script>"], "data": 5, "metrics": {"loss": "<script>"}}),
        ({}, {"recipe": {"epochs": [], "batch_size": {}}, "data": {"training": None}, "metrics": None}),
        ({"tinynn train": {"digits": 10**30}}, {"metrics": {"loss": 10**400, "accuracy": True}}),
    ],
)
def test_what_a_strangers_file_says_about_its_training_does_no_harm(here, tmp_path, notes, provenance):
    pytest.importorskip("matplotlib")
    model = digit_sum("shared")
    model.notes, model.provenance = notes, provenance
    model.name = "<script>"
    model.save(tmp_path / "model")
    result = here("evaluate", "model", "--sums", 20, "--report", "r.html")
    assert (result.code, result.err) == (0, "")
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page
    assert "the file does not say" in page


def test_gallery_marks_what_is_wrong():
    pytest.importorskip("matplotlib")
    labels, read = np.array([1, 2, 3, 4]), np.array([1, 2, 3, 9])
    drawn = gallery.draw(gallery.Seen(np.zeros((4, 28, 28)), labels, read, np.array([[0, 1], [2, 3]]), "title"))
    titles = [axes.get_title() for axes in drawn.axes]
    assert titles == ["1", "2", "", "3", "9 (is 4)", ""]
    texts = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert texts == ["= 3", "= 12 (is 7)"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["BASELINE", "--gallery", "g.png"], "--gallery: "),
        (["BASELINE", "--report", "r.html"], "does not say which digits it reads; leave --"),
        (["MODEL", "--gallery", "g.xyz"], "--gallery: the file's name must end in .png"),
        (["MODEL", "--gallery", "missing/g.png"], "--gallery: cannot write missing/g.png"),
        (["MODEL", "--report", "."], "--report: cannot write .: Is a directory"),
        (["MODEL", "--report", ""], "--report: the path is empty"),
        (["MODEL", "--gallery", ""], "--gallery: the file's name must end in .png"),
        (["MODEL", "--report", "/dev/null"], "--report: '/dev/null' is not a regular file"),
        (["MODEL", "--report", "MODEL"], "is also an input; choose another file"),
        (["MODEL", "--report", "link", "--history", "table"], "--report: link is also an input; choose another file"),
        (["MODEL", "--history", "pipe"], "--history: pipe: it is not a regular file"),
        (["MODEL", "--history", "/dev/zero"], "--history: /dev/zero: it is not a regular file"),
        (["MODEL", "--history", "zeros"], "--history: zeros is not a table"),
        (["MODEL", "--history", "infinite"], "--history: infinite has numbers that are not finite"),
        (["MODEL", "--history", "long"], "--history: long is not a table"),
        (["MODEL", "--report", "a.png", "--gallery", "a.png"], "name the same file"),
        (["MODEL", "--history", "missing"], "missing: No such file"),
        (["MODEL", "--history", "empty"], "--history: empty is not a table"),
        (["MODEL", "--history", "other"], "--history: other must have the columns loss and accuracy"),
    ],
)
def test_nonsense_about_pictures(here, models, tmp_path, arguments, message):
    pytest.importorskip("matplotlib")
    (tmp_path / "empty").write_text("")
    (tmp_path / "other").write_text("epoch,x\n0,1\n")
    (tmp_path / "table").write_text("epoch,loss,accuracy\n0,3.1,0.1\n")
    (tmp_path / "infinite").write_text("epoch,loss,accuracy\n0,1e999,0.1\n")
    (tmp_path / "long").write_text(f"epoch,loss,accuracy\n0,{'1' * 200_000},0.1\n")
    (tmp_path / "zeros").write_bytes(bytes(100))
    (tmp_path / "link").symlink_to("table")
    os.mkfifo(tmp_path / "pipe")
    paths = {"MODEL": models["shared"], "BASELINE": models["baseline"]}
    result = here("evaluate", *(paths.get(text, text) for text in arguments))
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_without_matplotlib_a_picture_is_an_error_before_the_work(here, models, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    for option, file in (("--gallery", "g.png"), ("--report", "r.html")):
        result = here("evaluate", models["shared"], option, file)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"tinynn evaluate: {option} needs matplotlib")
