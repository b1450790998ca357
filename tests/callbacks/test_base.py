"""What all callbacks share: states that are taken or refused, and pickling."""

import pickle

import pytest

from tests.callbacks.helpers import epochs_of, train
from tinynn.callbacks import (
    EarlyStopping,
    History,
    ModelCheckpoint,
)


def test_state_of_another_callback_is_refused():
    with pytest.raises(
        ValueError, match=r"History.set_state: expected the keys \['epoch', 'history'\], got \['best'\]"
    ):
        History().set_state(ModelCheckpoint("x").get_state())


def test_callbacks_pickle_without_the_model():
    stopping = EarlyStopping("loss", patience=3)
    _, history = train([stopping], epochs_of("loss", [3.0, 2.0]))
    copies = pickle.loads(pickle.dumps([stopping, history]))
    assert copies[0].best == 2.0
    assert copies[0].model is None
    assert copies[1].history == {"loss": [3.0, 2.0]}
