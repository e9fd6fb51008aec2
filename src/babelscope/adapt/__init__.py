"""Recipes, and tuning by them."""
