"""`python -m framework` is the command `gatewright`."""

import sys

from framework.cli import main

sys.exit(main())
