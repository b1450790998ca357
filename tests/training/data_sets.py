"""A data set for tests."""



class Pairs:
    """Samples of two items each; every attribute may be made wrong."""

    sample_shape = (2, 4)
    targets_shape = ()

    def __init__(self, rng, n=9, kind="float32"):
        self.items = rng.integers(0, 50, (6, 4)).astype(kind)
        self.indices = rng.integers(0, 6, (n, 2))
        self.targets = rng.integers(0, 3, n)
        self.epochs = []
        self.length = n

    def __len__(self):
        return self.length

    def samples(self, epoch):
        self.epochs.append(epoch)
        return self.items, self.indices, self.targets

    def arrays(self):
        return self.items[self.indices], self.targets
