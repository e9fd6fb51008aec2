"""The embedded model: weights, recipe, card."""
