"""Limits on what a file may ask for, so that none of a stranger's takes all memory or time.

They are far above what honest files need. Each is set by an environment variable of its name, as
in ``EXPALIGN_MAX_JSON_DEPTH=500``; the error of a file that exceeds one names it.
"""

import os
from typing import NamedTuple


class LimitExceeded(ValueError):
    """A file asks for more than a limit allows; the message has the file, the limit and its name.
    """


class Limit(NamedTuple):
    """A limit.

    Attributes:
        variable: the environment variable that sets it.
        default: its value without that.
        unit: what is counted.
    """

    variable: str
    default: int
    unit: str

    @property
    def value(self) -> int:
        """The limit that holds now.

        Raises:
            ValueError: the environment variable is no whole number of 1 or more.
        """
        text = os.environ.get(self.variable)
        if text is None:
            return self.default
        if not text.strip().isdecimal() or int(text) < 1:
            raise ValueError(
                f'the environment variable {self.variable} must be a whole number of 1 or more '
                f'({self.unit}), got {text!r}')
        return int(text)

    def check(self, amount: int, where: str) -> None:
        """Refuse ``amount`` where it is too much.

        Args:
            amount: what is asked for.
            where: the file, or the place in it; starts the message.

        Raises:
            LimitExceeded: it is more than the limit.
        """
        if amount > self.value:
            raise LimitExceeded(
                f'{where}: {amount:,} {self.unit}, more than the limit of {self.value:,}. If that '
                f'is meant, set {self.variable} to a higher number')


# OpenCV has this limit of its own and reads OPENCV_IO_MAX_IMAGE_PIXELS, when it is imported.
IMAGE_PIXELS = Limit('EXPALIGN_MAX_IMAGE_PIXELS', 2**30, 'pixels')
IMAGE_BYTES = Limit('EXPALIGN_MAX_IMAGE_BYTES', 4 * 2**30, 'bytes in an image file')
ANNOTATION_BYTES = Limit('EXPALIGN_MAX_ANNOTATION_BYTES', 16 * 2**30, 'bytes in a file')
POLYGON_REACH = Limit('EXPALIGN_MAX_POLYGON_REACH', 10, 'times its longer side')
JSON_DEPTH = Limit('EXPALIGN_MAX_JSON_DEPTH', 200, 'lists and objects inside one another')
YAML_BYTES = Limit('EXPALIGN_MAX_YAML_BYTES', 8 * 2**20, 'bytes of YAML')
YAML_DEPTH = Limit('EXPALIGN_MAX_YAML_DEPTH', 50, 'lists and keys inside one another')
XML_DEPTH = Limit('EXPALIGN_MAX_XML_DEPTH', 50, 'elements inside one another')
LABEL_BYTES = Limit('EXPALIGN_MAX_LABEL_BYTES', 16 * 2**20, 'bytes of labels or names')
LIST_BYTES = Limit('EXPALIGN_MAX_LIST_BYTES', 2**30, 'bytes in a list of images')
UNPACKED_BYTES = Limit('EXPALIGN_MAX_UNPACKED_BYTES', 64 * 2**30, 'bytes in an archive of images')
UNPACKED_FILES = Limit('EXPALIGN_MAX_UNPACKED_FILES', 5_000_000, 'files in an archive of images')
ARRAY_BYTES = Limit('EXPALIGN_MAX_ARRAY_BYTES', 2**30, 'bytes of arrays')
DOWNLOAD_BYTES = Limit('EXPALIGN_MAX_DOWNLOAD_BYTES', 16 * 2**30, 'bytes in a file to fetch')
PICKLE_STEPS = Limit('EXPALIGN_MAX_PICKLE_STEPS', 500_000, 'steps in the pickle of a checkpoint')
RECORD_STEPS = Limit('EXPALIGN_MAX_RECORD_STEPS', 1_000_000_000, 'steps in a pickle of records')
