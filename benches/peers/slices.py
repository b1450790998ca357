"""tinynn of any revision, for `paired.py`: samples much shorter than a slice, of a number of steps that never varies.

Where other programs take their share of the cores, short samples are the ones that end undisturbed.
"""

from benches import peers
from benches.peers.imports import leave_only_the_path

leave_only_the_path()

import tinynn  # noqa: E402
from benches.peers import ours  # noqa: E402

CALLS = 50
"""In a sample of one function called from Python."""


class Peer(ours.Peer):
    flops_of_an_epoch = 2e8
    toy_steps = 10_000

    def versions(self):
        from tinynn.kernels import instruction_set

        return {
            "tinynn": tinynn.__file__,
            "instruction_set": instruction_set(),
            "threads": tinynn.get_num_threads(),
        }

    def check(self):
        return None, []  # what it computes is the tests' matter

    def runs(self):
        call, steps = self._train_on_batch() if self.workload.kind == "call" else super().runs()["tinynn"]
        return {"tinynn": (call, steps) if steps > 1 else (repeated(call), CALLS)}

    def _train_on_batch(self):
        self.model.optimizer.learning_rate = peers.MEASURED_RATE
        x, y = self.workload.samples()
        return lambda: self.model.train_on_batch(x, y), 1


def repeated(call):
    def calls():
        for _ in range(CALLS):
            call()

    return calls
