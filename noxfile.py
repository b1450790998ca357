"""The test suite under every Python that pyproject.toml names, and with the oldest NumPy it allows: ``nox``.

``pip install nox`` brings nox, which looks for the interpreters on the PATH; ``nox -s tests-3.12`` runs one session.
"""

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the suite with the newest NumPy; its arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run the suite with the oldest release of each dependency at run time."""
    requirements = [each.replace(">=", "==") for each in PROJECT["project"]["dependencies"]]
    session.install("-e", ".[test]", *requirements)
    session.run("pytest", *session.posargs)
