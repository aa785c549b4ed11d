"""``python examples/flights`` from anywhere, or ``python -m examples.flights`` in the repository's root."""

import sys
from pathlib import Path

if __package__:
    from .cli import main
else:  # a directory was run: no package knows its name yet
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from flights.cli import main

sys.exit(main())
