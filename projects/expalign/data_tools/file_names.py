"""Names of images in files of strangers, which must not lead out of the folder of images."""

from pathlib import Path

from expalign.datasets.formats.outside import outside_reason
from expalign.utils.shown import shown

OPTION = '--allow-outside-images'


def check_inside(file_name: object, source: str | Path, allow: bool = False) -> str:
    """``file_name``, if it is text and lies in the folder of images.

    Args:
        file_name: of an image in ``source``.
        source: the annotation file, for the message.
        allow: whether it may lie elsewhere.

    Raises:
        ValueError: it is no text, or absolute, an address or with ``..`` and not allowed to.
    """
    if not isinstance(file_name, str):
        raise ValueError(f"annotation file '{source}': the name of an image must be text, got "
                         f'{shown(file_name)}')
    reason = None if allow else outside_reason(file_name)
    if reason is not None:
        raise ValueError(f"annotation file '{source}': the name of image {shown(file_name)} "
                         f'{reason}, and so may lead out of the folder of images; if the file is '
                         f'your own, give {OPTION}')
    return file_name


def add_outside_argument(parser) -> None:
    """The switch of the command line that allows such names."""
    parser.add_argument(OPTION, action='store_true',
                        help='allow names of images that lead out of the folder of images: '
                             'absolute paths, addresses and ".."')
