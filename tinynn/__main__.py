"""``python -m tinynn`` is the command ``tinynn``."""

import sys

from tinynn.cli import main

if __name__ == "__main__":
    sys.exit(main())
