"""What `import tinynn` brings, and what it leaves for later."""

import subprocess
import sys

import pytest

import tinynn


def in_a_new_process(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_before_it_is_used():
    code = "import sys, tinynn; print([m for m in sys.modules if m.startswith('tinynn.')], 'numpy' in sys.modules)"
    assert in_a_new_process(code) == "[] False\n"


@pytest.mark.parametrize("name", tinynn.__all__)
def test_every_public_name_can_be_imported_first(name):
    in_a_new_process(f"import tinynn; assert tinynn.{name} is not None; assert {name!r} in dir(tinynn)")
    in_a_new_process(f"from tinynn import {name}")


def test_a_missing_attribute_is_named():
    with pytest.raises(AttributeError, match="module 'tinynn' has no attribute 'Sequentail'"):
        _ = tinynn.Sequentail
