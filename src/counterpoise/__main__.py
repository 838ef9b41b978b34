"""``python -m counterpoise``: the same as the ``counterpoise`` command."""

from counterpoise.cli import main

main()
