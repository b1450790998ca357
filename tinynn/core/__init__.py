"""What a model is made of: layers, parameters, plans, and what describes them all."""
