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
from tinynn.io.format import DTYPES, canonical, decode, digest, encode, pack, unpack


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 5)), rng.integers(0, 3, 20)


# --- pack and unpack ---------------------------------------------------------------------------------


ARRAYS = {
    **{name: np.arange(6).reshape(2, 3).astype(name) for name in sorted(dtype.name for dtype in DTYPES)},
    "single": np.array(2.5), "empty": np.zeros((0, 3), "u2"), "swapped": np.arange(3, dtype=">i4"),
    "columns": np.arange(12.0).reshape(3, 4).T, "gaps": np.arange(12).reshape(3, 4)[:, ::2],
    "special": np.array([np.nan, np.inf, -0.0], "f4"),
}


def test_pack_and_unpack_round_trip():
    description, tensors = unpack(pack({"a": [1, "b", None]}, ARRAYS), "it")
    assert description == {"format": 1, "a": [1, "b", None], "sha256": description["sha256"]}
    assert tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert tensors[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(tensors[name], array)


def test_one_content_for_equal_descriptions_and_arrays():
    turned = {name: array.copy(order="F") for name, array in reversed(ARRAYS.items())}
    assert pack({"a": 1, "b": 2}, ARRAYS) == pack({"b": 2, "a": 1}, turned)
    assert pack({"a": 1}, ARRAYS) != pack({"a": 2}, ARRAYS)


def test_values_json_cannot_hold_are_refused():
    for value in (np.nan, np.inf, object(), b"bytes"):
        with pytest.raises((TypeError, ValueError)):
            pack({"a": value}, {})


def test_the_digest_stands_for_everything_but_itself():
    array = np.arange(6, dtype="f4")
    same = [({"a": 1}, {"x": array}), ({"a": 1, "sha256": "old"}, {"x": array}),
            ({"a": 1}, {"x": array.repeat(2)[::2]})]
    assert len({digest(*each) for each in same}) == 1
    other = [({"a": 2}, {"x": array}), ({"b": 1}, {"x": array}), ({"a": 1}, {"y": array}), ({"a": 1}, {}),
             ({"a": 1}, {"x": array.reshape(2, 3)}), ({"a": 1}, {"x": array.view("i4")}),
             ({"a": 1}, {"x": np.array([0, 1, 2, 3, 4, -5], "f4")}), ({"a": 1}, {"x": array, "y": array})]
    assert len({digest(*each) for each in [same[0], *other]}) == 1 + len(other)


def rewritten(description, tensors):
    """A file with this description, as it is."""
    return save_tensors(tensors, {"tinynn": canonical(description)})


def test_another_format_and_another_digest_are_named():
    tensors = {"x": np.arange(3.0)}
    description, _ = unpack(pack({}, tensors), "it")
    assert unpack(rewritten(description, tensors), "it")[0] == description
    for change, message in (({"format": 2}, "the file has format 2, but this version reads 1"),
                            ({"sha256": "0" * 64}, "the content does not match its SHA-256; the file is damaged"),
                            ({"more": 1}, "the content does not match its SHA-256")):
        with pytest.raises(ValueError, match=f"^load: FILE: {message}"):
            unpack(rewritten({**description, **change}, tensors), "FILE")
    with pytest.raises(ValueError, match="^load: FILE: the content does not match its SHA-256"):
        unpack(rewritten(description, {"x": np.arange(3.0) + 1}), "FILE")


# --- damage ------------------------------------------------------------------------------------------


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
    for entry, error in (("", "Expecting value"), ("[]", "TypeError"), ("3", "TypeError"), ("null", "TypeError"),
                         ("{", "Expecting property name"), ('{"format":1}', "KeyError: 'sha256'"),
                         ("[" * 100_000, "RecursionError")):
        with pytest.raises(ValueError, match=f"^load: the model's bytes: .*{error}"):
            from_bytes(save_tensors({"a": np.ones(3)}, {"tinynn": entry}))


def test_numbers_that_change_between_hashing_and_writing(data, monkeypatch):
    """Another thread trains meanwhile: they are copied before they are hashed."""
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


def test_arrays_become_tensors_in_order():
    tensors = {}
    written = encode({"a": [np.arange(2)], ("b", 1): np.array(2.5)}, tensors, "state/", "it")
    assert written == {"dict": [["a", [{"tensor": "state/0"}]], [{"tuple": ["b", 1]}, {"tensor": "state/1"}]]}
    assert list(tensors) == ["state/0", "state/1"]
    back = decode(json.loads(canonical({"state": written}))["state"], tensors)
    assert list(back) == ["a", ("b", 1)]
    assert back["a"][0].tolist() == [0, 1]
    assert back["b", 1] == 2.5


def test_values_that_cannot_be_encoded_are_named_with_their_place():
    masked = np.ma.masked_array([1], [True])
    for value in ({1, 2}, b"bytes", 1j, object(), np.zeros(1, complex), np.array(["a"]), masked):
        with pytest.raises(TypeError, match=r"(?s)^the state of it\['best'\] holds .*, which a checkpoint can"):
            encode({"best": [value]}, {}, "state/", "it")


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
