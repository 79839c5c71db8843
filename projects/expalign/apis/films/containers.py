"""Opening of films and addresses with PyAV, which brings FFmpeg's readers and decoders."""

import re
from contextlib import suppress
from types import ModuleType
from typing import Any

from expalign.limits import IMAGE_PIXELS
from expalign.utils.file_kinds import is_address

OPEN_SECONDS, READ_SECONDS = 10.0, 10.0  # how long an address may be silent
# What FFmpeg makes of a text file: letters on a black screen.
NO_FILMS = ('ansi', 'bintext', 'xbin', 'idf')
REASONS = {
    'Invalid data': 'it is damaged, incomplete or not a video',
    'End of file': 'it has no frames, or is incomplete',
    'Input/output error': 'it sends nothing that is a video',
}


def import_av() -> ModuleType:
    """PyAV.

    Raises:
        ImportError: it is not installed; the message says what to do.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(f'films and streams need the package av: pip install av ({error})'
                          ) from error
    return av


def shown(source: str) -> str:
    """A film's name as it may be shown and written: without the password of an address."""
    return re.sub(r'(?<=://)[^/@]*@', '', source)


def letters(av: ModuleType) -> dict[str, str]:
    """How PyAV is told to read titles that are no UTF-8; from version 19 on it does so itself."""
    return dict(metadata_errors='replace') if int(av.__version__.split('.')[0]) < 19 else {}


def open_film(source: str) -> tuple[Any, Any]:
    """Open a file or an address.

    Returns:
        PyAV's container, which the caller closes, and the stream of pictures in it.

    Raises:
        ImportError: PyAV is not installed.
        OSError: it cannot be read, has no pictures, or no decoder knows its codec.
        LimitExceeded: its frames are larger than a limit.
    """
    av = import_av()
    options = {}
    if source.startswith('rtsp'):
        options = dict(rtsp_flags='prefer_tcp')  # UDP loses packets, and frames with them
    name = source if is_address(source) else f'file:{source}'  # ':' and '%' in a name are letters
    try:
        container = av.open(
            name, options=options, **letters(av),
            timeout=(OPEN_SECONDS, READ_SECONDS) if is_address(source) else None)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise OSError(f'cannot read video {shown(source)}: {reason(error)}') from error
    try:
        return container, _pictures(container, shown(source))
    except BaseException:
        container.close()
        raise


def _pictures(container: Any, source: str) -> Any:
    """The first stream of pictures that is no cover of a record."""
    streams = [stream for stream in container.streams.video
               if not stream.disposition & stream.disposition.attached_pic]
    if not streams:
        sound = ', '.join(stream.codec_context.name for stream in container.streams.audio)
        raise OSError(f'cannot read video {source}: it has no pictures'
                      f'{f", sound alone ({sound})" if sound else ""}')
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise OSError(f'no frame of video {source} can be decoded: there is no decoder for its '
                      f'codec {tag_of(stream)}')
    if context.name in NO_FILMS:
        raise OSError(f'cannot read video {source}: it is a text, not a video')
    IMAGE_PIXELS.check(context.width * context.height,
                       f'{source} claims frames of {context.width} x {context.height}')
    if not is_address(source):
        context.thread_type = 'AUTO'  # by frames, too, which keeps some of them back
    context.options = dict(max_pixels=str(IMAGE_PIXELS.value))  # a film's size may change
    return stream


def codec_of(stream: Any) -> str:
    """A codec's name, such as ``'h264'``."""
    names = {'libdav1d': 'av1', 'libvpx': 'vp8', 'libvpx-vp9': 'vp9', 'libaom-av1': 'av1'}
    name = stream.codec_context.name
    return names.get(name, name)


def tag_of(stream: Any) -> str:
    """The four letters by which a file names a codec that is not known."""
    with suppress(Exception):  # PyAV has no context to ask in some versions
        return repr(stream.codec_tag)
    return 'of an unknown name'


def reason(error: Exception) -> str:
    """What FFmpeg says, in words that help."""
    text = getattr(error, 'strerror', None) or str(error)
    for said, meant in REASONS.items():
        if said in text:
            return meant
    return text[0].lower() + text[1:] if text else type(error).__name__
