"""The HTML report, made from a study's tables alone."""
