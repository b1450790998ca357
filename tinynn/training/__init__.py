"""Training, evaluation and prediction: data, the loop over them, checkpoints."""
