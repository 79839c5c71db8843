"""The page in a hosted Space: ``expalign serve`` at the port and under the name of the host."""

import os

from expalign.cli import main

FRAME = 'https://huggingface.co'  # shows a Space in a frame


def command() -> list[str]:
    """The command line that the host's variables ask for."""
    words = ['serve', os.environ.get('EXPALIGN_MODEL', 'expalign-s'),
             '--port', os.environ.get('PORT', '7860')]  # app_port in README.md
    host = os.environ.get('SPACE_HOST')
    if host:
        words += ['--host', '0.0.0.0', '--allowed-host', host, '--framed-by', FRAME]
    return words


if __name__ == '__main__':
    main(command())
