"""The worked example: the report's network with every equation written out and the graph drawn."""

from __future__ import annotations

from os import PathLike

from tinynn.checks import check_count, check_real
from tinynn.graph import drawing, explanation
from tinynn.graph.report_network import ReportNetwork
from tinynn.io.atomic import write_file


class WorkedExample(ReportNetwork):
    """The network of the 2018 report, built from nodes, with the report's numbers by default.

    Parameters
    ----------
    x : float
        The input.
    y : float
        The target.
    weights : sequence of five floats
        w1 to w5.

    Attributes
    ----------
    nodes : dict of str to Node
        All nodes by name: the leaves x, y and w1 to w5, the units' inputs z1 to z4, the products p4 = w4 n2 and
        p5 = w5 n3 that make up z4, the units' outputs n1 to n4, and the loss L.

    Raises
    ------
    TypeError
        If an argument is not a number, or `weights` not a list of numbers.
    ValueError
        If a number is NaN or infinite, or there are not five weights.

    Examples
    --------
    >>> example = WorkedExample(x=2.0, y=3.0, weights=[2.0, 1.0, 2.0, 4.0, 1.0])
    >>> round(example.forward(), 9)
    2.044568099
    >>> example.backward()
    >>> [round(gradient, 6) for gradient in example.gradients()]
    [-0.001562, -0.034123, -0.004643, -0.03188, -0.038429]
    >>> loss = example.step(lr=0.1)
    >>> [round(weight, 6) for weight in example.get_weights()]
    [2.000156, 1.003412, 2.000464, 4.003188, 1.003843]
    """

    def explain(self, lr: float = 0.1, steps: int = 1) -> str:
        """Return every equation with its numbers: forward pass, gradients, new weights. Changes no weight.

        For the report's inputs, its figures are shown beside the exact ones. Its two errors are always explained.

        Parameters
        ----------
        lr : float
            The learning rate, 0 or more.
        steps : int
            The number of updates, 0 or more: the first is shown in full, the others in a table.

        Returns
        -------
        str
            Plain ASCII; every line ends in a newline.

        Raises
        ------
        TypeError, ValueError
            If `lr` or `steps` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN.

        Examples
        --------
        >>> text = WorkedExample().explain()
        >>> print(text.splitlines()[0])
        Backpropagation by hand
        """
        return explanation.explain(
            self._copy(), check_real("explain", "lr", lr, minimum=0), check_count("explain", "steps", steps, minimum=0)
        )

    def svg(self, path: str | PathLike[str] | None = None, lr: float = 0.1, steps: int = 1) -> str:
        """Draw the graph with the values and gradients of the last of `steps` steps. Changes no weight.

        Parameters
        ----------
        path : path, optional
            A file to write the picture to. It is written whole or not at all.
        lr : float
            The learning rate, 0 or more.
        steps : int
            The number of updates, as in `explain`. The forward and backward pass of the last one are drawn; for 0 and 1
            they use the current weights.

        Returns
        -------
        str
            An SVG document that scales down to the width available.

        Raises
        ------
        TypeError, ValueError
            If `lr` or `steps` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN.
        OSError
            If the file cannot be written. An existing file is then unchanged.

        Examples
        --------
        >>> WorkedExample().svg().startswith("<svg")
        True
        """
        lr, steps = check_real("svg", "lr", lr, minimum=0), check_count("svg", "steps", steps, minimum=0)
        copy = self._copy()
        copy.train(max(0, steps - 1), lr)
        copy.forward()
        copy.backward()
        picture = drawing.draw(copy.nodes, f"Backpropagation by hand{f', step {steps:,}' if steps > 1 else ''}")
        if path is not None:
            write_file(path, picture.encode())
        return picture

    def _copy(self) -> ReportNetwork:
        return ReportNetwork(self.x, self.y, self.get_weights())
