"""`python -m babelscope.cli`."""

import sys

from babelscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
