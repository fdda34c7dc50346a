"""`python -m apikeys` is the command line."""

import sys

from apikeys.cli import main

sys.exit(main())
