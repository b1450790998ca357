"""scikit-learn: MLPClassifier.partial_fit over several batches a call, which spreads the checks of its arguments.

Its Adam has Keras' epsilon, and an L2 penalty which is set to zero.
"""

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benches import peers

STEPS = 32


class Peer:
    def __init__(self, threads):
        """NumPy's BLAS takes its threads from the environment."""

    def versions(self):
        return f"scikit-learn {sklearn.__version__}"

    def supports(self, workload):
        return workload.kind == "mlp"

    def build(self, workload, weights):
        self.workload = workload
        self.x, self.labels = workload.samples()
        hidden = [layer.outputs for layer in workload.layers[:-1]]
        self.model = MLPClassifier(
            hidden, alpha=0.0, batch_size=workload.batch, learning_rate_init=peers.CHECK_RATE, shuffle=False,
            beta_1=peers.BETA_1, beta_2=peers.BETA_2, epsilon=peers.EPSILON,
        )  # fmt: skip
        # The first call makes the arrays, and the optimizer, which later ones reuse.
        self.model.partial_fit(self.x, self.labels, classes=np.arange(workload.classes))
        self.model._label_binarizer = OneHot(workload.classes)
        self.model.out_activation_ = "softmax"
        self.model.coefs_, self.model.intercepts_ = ([w.copy() for w in part] for part in (weights[::2], weights[1::2]))
        del self.model._optimizer

    def check(self):
        self.model.partial_fit(self.x, self.labels)
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return self.model.loss_, [w for pair in pairs for w in pair]

    def runs(self):
        self.model._optimizer.learning_rate_init = peers.MEASURED_RATE
        x, labels = np.concatenate([self.x] * STEPS), np.concatenate([self.labels] * STEPS)
        return {"sklearn": (lambda: self.model.partial_fit(x, labels), STEPS)}


class OneHot:
    """In the place of scikit-learn's own, which gives two classes one logistic output: here they have two."""

    y_type_ = "multiclass"

    def __init__(self, classes):
        self.rows = np.eye(classes, dtype=bool)

    def transform(self, labels):
        return self.rows[labels]
