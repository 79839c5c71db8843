"""What the name of a film stands for: a file, a camera, a stream."""

from pathlib import Path

from expalign.apis.video import EXTENSIONS, VideoFrames
from expalign.utils.file_kinds import is_address

from .live import PATIENCE, LiveFrames, Stream, camera_number, is_camera

MAX_NAME = 80  # letters
Film = VideoFrames | LiveFrames


def open_source(source: str, patience: float = PATIENCE) -> Film:
    """Open a film, an address or the number of a camera; a file of such a name comes first.

    Args:
        source: see above.
        patience: seconds of trying to reconnect to what has no end.

    Raises:
        FileNotFoundError, OSError, ImportError: it cannot be read.
    """
    if is_camera(source):
        return LiveFrames(source, patience)
    if is_address(source):
        connection = Stream(source)
        if not connection.ends:
            return LiveFrames(source, patience, connection)
        connection.close()
    return VideoFrames(source)


def name_of(source: str) -> str:
    """What the results of a film are called, without an end.

    'holiday' for 'films/holiday.mp4', 'camera0' for camera 0, 'host_yard' for 'rtsp://host/yard'.
    """
    if is_camera(source):
        return f'camera{camera_number(source)}'
    if not is_address(source):
        return Path(source).stem
    rest = source.split('://', 1)[1].split('?')[0].split('@')[-1].strip('/')
    name = Path(rest)
    rest = str(name.with_suffix('')) if name.suffix.lower() in EXTENSIONS else rest
    letters = ''.join(letter if letter.isalnum() or letter in '-.' else '_' for letter in rest)
    return letters[-MAX_NAME:].strip('.') or 'stream'
