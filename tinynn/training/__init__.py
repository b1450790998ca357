"""What trains, evaluates and predicts: data, the loop over them, checkpoints."""
