"""Whatever stands on the command line: help or a result and code 0, or one line of error and code 2."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tinynn import set_num_threads
from tinynn.cli.program import COMMANDS, parser

SUBPARSERS = [parser([name])._subparsers._group_actions[0].choices[name] for name in COMMANDS]
OPTIONS = sorted({name for each in SUBPARSERS for action in each._actions for name in action.option_strings})
NUMBERS = ("0", "1", "2", "-1", "3.5", "-1e-3", "nan", "-inf", "1e400", "1_0", "٣", "9" * 20, "9" * 5000, "1,,2", "")
FILES = (".", "..", "/", "/dev/null", "missing", "folder/a.png", "a.png", "a.svg", "a.csv", "a\nb", "a\0b", "\udc80")
WORDS = ("shared", "baseline", "conv", "rnn", "lstm", "fixed", "-", "--", "---", "-x", "=", "--x=", "@file", "\x1b[0m")
# Said last, so that nothing takes long, whatever was said before; what bench measures is tested elsewhere.
SMALL = {
    "train": ("--sums", "4", "--epochs", "1", "--validation-sums", "4", "--digits", "2", "--batch-size", "2"),
    "bench": ("--seconds", "0"),
    "backprop": ("--steps", "1"),
}


def words():
    known = st.sampled_from((*OPTIONS, *NUMBERS, *FILES, *WORDS, "MODEL", "IMAGE"))
    return st.one_of(known, known, st.text(max_size=5))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(*[st.sampled_from(list(COMMANDS))] * 9, words()), st.lists(words(), max_size=6))
@example("info", ["a\nb"])
@example("train", ["--digits", "9" * 20])
@example("train", ["--network", "baseline", "--digits", "9" * 20])
@example("predict", ["MODEL", "a\0b"])
def test_nonsense(here, models, digits_directory, command, arguments):
    places = {"MODEL": models["shared"], "IMAGE": digits_directory / "t10k-images-idx3-ubyte.gz"}
    given = [places.get(argument, argument) for argument in arguments if argument != "--debug"]
    small = SMALL.get(command, ()) if "--digits" not in given else ()
    try:
        result = here(command, *given, *small)
    finally:
        set_num_threads(None)  # --threads
    assert result.code in (0, 2)
    if result.code == 2:
        assert result.err.startswith("tinynn")
        assert result.err.splitlines()[0] + "\n" == result.err
    else:
        assert result.out
        assert result.err == ""
