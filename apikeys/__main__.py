"""`python -m apikeys` is the command line."""

import sys

from apikeys import core_dumps
from apikeys.cli.main import main

core_dumps.forbid()
sys.exit(main())
