"""`python -m apikeys` is the command line."""

import sys

from apikeys.cli.main import main

sys.exit(main())
