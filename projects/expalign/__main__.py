"""``python -m expalign`` is the command ``expalign``."""

from expalign.cli import main

main()
