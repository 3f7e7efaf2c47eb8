"""`python -m service`: the service with a supervisor of its own, lighter than `bentoml serve`."""

from __future__ import annotations

import sys

from service.server.command import main

sys.exit(main())
