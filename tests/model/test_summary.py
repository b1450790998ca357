"""The summary of a model: its layers, shapes and numbers of parameters."""

from tinynn import Sequential, layers


def test_summary(capsys):
    frozen = layers.Dense(2)
    frozen.trainable = False
    Sequential([layers.Dense(3), frozen], (None, 4), name="mine").summary()
    text = capsys.readouterr().out
    assert "mine (float32)" in text
    assert "(batch, any, 3)" in text
    assert "23 parameters (15 trainable)" in text
