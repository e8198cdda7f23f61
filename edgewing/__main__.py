"""``python -m edgewing`` is ``edgewing``."""

from edgewing.cli import main

main()
