"""Models and tokenizers: loading, the seam to their insides, rendering, adapters."""
