"""What all callbacks share: states that are taken or refused, and pickling."""

import math
import pickle

import numpy as np
import pytest

from tests.callbacks.helpers import epochs_of, train
from tinynn.callbacks import Callback, EarlyStopping, History, ModelCheckpoint
from tinynn.callbacks.base import HOOKS, is_count, is_flag, is_list_of, is_number, is_optional, is_text

VALUES = {
    "zero": 0, "one": 1, "minus one": -1, "true": True, "false": False, "half": 0.5, "nan": math.nan, "inf": math.inf,
    "text": "a", "none": None, "list": [1], "mixed": [1, "a"], "empty": [], "numpy": np.float64(0.5), "dict": {},
}
NUMBERS = {"zero", "one", "minus one", "half", "nan", "inf", "numpy"}


@pytest.mark.parametrize("check, right", [
    (is_number, NUMBERS),
    (is_count, {"zero", "one"}),
    (is_text, {"text"}),
    (is_flag, {"true", "false"}),
    (is_optional(is_text), {"text", "none"}),
    (is_list_of(is_number), {"list", "empty"}),
])
def test_types_of_state(check, right):
    assert {name for name, value in VALUES.items() if check(value)} == right


def test_state_of_another_callback_is_refused():
    with pytest.raises(
        ValueError, match=r"History.set_state: expected the keys \['epoch', 'history'\], got \['best'\]"
    ):
        History().set_state(ModelCheckpoint("x").get_state())


def test_one_wrong_value_in_a_state_changes_nothing():
    stopping = EarlyStopping("loss")
    before = stopping.get_state()
    state = {**before, "best": 0.5, "wait": "long"}
    for order in (state, dict(reversed(state.items()))):
        with pytest.raises(ValueError, match="EarlyStopping.set_state: wait cannot be 'long'"):
            stopping.set_state(order)
        assert stopping.get_state() == before


def test_states_are_copies():
    history = History()
    given = {"epoch": [0], "history": {"loss": [1.0]}}
    history.set_state(given)
    taken = history.get_state()
    given["history"]["loss"].append(2.0)
    taken["history"]["loss"].append(3.0)
    assert history.history == {"loss": [1.0]}


def test_the_base_class_does_nothing():
    callback = Callback()
    assert callback.get_state() == {}
    for hook in HOOKS:
        numbered = "epoch" in hook or "batch" in hook or hook == "on_progress"
        assert getattr(callback, hook)(*([0] if numbered else []), {"loss": 1.0}) is None


def test_callbacks_pickle_without_the_model():
    stopping = EarlyStopping("loss", patience=3)
    _, history = train([stopping], epochs_of("loss", [3.0, 2.0]))
    copies = pickle.loads(pickle.dumps([stopping, history]))
    assert copies[0].best == 2.0
    assert copies[0].model is None
    assert copies[1].history == {"loss": [3.0, 2.0]}
