"""The parent's side of a worker: starts it, asks, gives up on it when it takes too long."""

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benches import peers

ROOT = Path(__file__).parents[2]


class WorkerFailed(Exception):
    """The worker crashed, took too long, or its framework raised; the message is for a footnote."""


def missing_packages(name):
    return [package for package in peers.PACKAGES[name] if importlib.util.find_spec(package) is None]


class WorkerDied(WorkerFailed):
    """There is no worker any more: it crashed, or took too long."""


class Process:
    """A worker; after a crash or a timeout the next question starts a new one.

    `threads` None leaves the number to the framework. `path` is the folder in which the worker finds tinynn.
    """

    def __init__(self, name, threads, path=ROOT):
        self.name, self.threads, self.path = name, threads, path
        self.process = None

    def ask(self, timeout, **request):
        """The answer to a request, within `timeout` seconds."""
        self.send(**request)
        return self.answer(timeout)

    def send(self, **request):
        """Ask without waiting for the answer."""
        if self.process is None:
            self._start()
        self.asked = request["do"]
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise self._died() from None

    def answer(self, timeout):
        """The answer to what was sent last, within `timeout` seconds from now."""
        # The worker answers with one line and then waits, so nothing stays in the buffer behind it.
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            self.stop()
            raise WorkerDied(f"no answer to {self.asked!r} within {timeout:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise self._died()
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(shortened(answer["error"]))
        return answer

    def _start(self):
        paths = [str(self.path), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benches.peers.worker", self.name, str(self.threads or 0)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            # A group of its own: compilers that it has started end with it.
            start_new_session=True,
        )

    def _died(self):
        status = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        self.stop()
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return WorkerDied(shortened(f"the process ended {how}{': ' + lines[-1] if lines else ''}"))

    def stop(self):
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # of a request that it died before reading
            self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
        self.process = None


def shortened(text, most=200):
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
