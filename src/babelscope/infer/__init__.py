"""What a model says and holds: answers, hidden states, the lens."""
