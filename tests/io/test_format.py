"""The format of files: damage is found, foreign files are refused, and any state comes back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_tensors

import tinynn
from tests.model.files import compiled
from tests.model.reference import from_bytes, to_bytes
from tinynn.io.format import canonical, decode, digest, encode


def test_every_truncation_is_found():
    content = to_bytes(compiled())
    for length in [0, 1, 7, 8, 9, *range(10, len(content), 37), len(content) - 1]:
        with pytest.raises(ValueError, match="load: "):
            from_bytes(content[:length])
    with pytest.raises(ValueError, match="load: "):
        from_bytes(content + b"\0")


def test_a_flipped_bit_is_found_or_changes_nothing(rng, data):
    """Some bytes mean nothing: spaces that pad the header. Nothing else may pass."""
    model = compiled()
    model.fit(*data, verbose=0)
    content = to_bytes(model)
    passed = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        try:
            other = from_bytes(bytes(changed))
        except ValueError:
            continue
        passed += 1
        assert to_bytes(other) == content
    assert passed < 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\0" * 100,
        b"\xff" * 100,
        b"{}" * 50,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
    ],
)
def test_garbage(content):
    with pytest.raises(ValueError, match="load: "):
        from_bytes(content)


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(save_tensors({"a": np.ones(3)}))
    with pytest.raises(ValueError, match="load: .*foreign is a safetensors file, but holds no tinynn model"):
        tinynn.load(path)
    for entry in ("", "[]", "3", "null", "{", '{"format":1}', "[" * 100_000):
        with pytest.raises(ValueError, match="load: "):
            from_bytes(save_tensors({"a": np.ones(3)}, {"tinynn": entry}))


def test_numbers_that_change_between_hashing_and_writing(data, monkeypatch):
    """The race of the test above, lost on purpose."""
    model = compiled()
    model.fit(*data, verbose=0)
    before = from_bytes(to_bytes(model))

    def digest_and_step(description, tensors):
        result = digest(description, tensors)
        for vector in (model.parameters, *model._core.states.values()):
            vector += 1
        return result

    with monkeypatch.context() as patch:
        patch.setattr("tinynn.io.format.digest", digest_and_step)
        content = to_bytes(model)
    again = from_bytes(content)
    assert again.fingerprint() == before.fingerprint() != model.fingerprint()
    assert all(state.tobytes() == before._core.states[name].tobytes() for name, state in again._core.states.items())


# --- encode and decode -------------------------------------------------------------------------------


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(
        st.text(max_size=3) | st.integers(-2, 2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(JSON)
def test_any_state_comes_back(value):
    tensors = {}
    written = canonical({"state": encode(value, tensors, "training/", "it")})
    assert repr(decode(json.loads(written)["state"], tensors)) == repr(value)
