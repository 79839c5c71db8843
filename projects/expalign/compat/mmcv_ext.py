"""Stand-in for mmcv's compiled extension, imported under the name ``mmcv._ext``.

It has mmcv's NMS and soft-NMS. Every other operator exists by name, so that ``mmcv.ops`` can be
imported, and raises :class:`NotImplementedError` when it is called.
"""

from collections.abc import Callable

from mmcv.version import __version__ as mmcv_version

from expalign.compat.nms import nms, softnms

__all__ = ['get_compiler_version', 'get_compiling_cuda_version', 'nms', 'softnms']

_NOT_COMPILED = 'not compiled'


def get_compiler_version() -> str:
    """What mmcv's environment report shows as its compiler."""
    return _NOT_COMPILED


def get_compiling_cuda_version() -> str:
    """What mmcv's environment report shows as its CUDA compiler."""
    return _NOT_COMPILED


def __getattr__(name: str) -> Callable:
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def missing(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f"mmcv operator '{name}' needs an mmcv with compiled operators, and this one has none "
            '(expalign stands in for nms and soft-NMS only). Compile them, which takes a C++ '
            'compiler and about 40 CPU minutes: pip install --no-build-isolation --no-cache-dir '
            f'--no-deps --force-reinstall onedl-mmcv=={mmcv_version}')

    missing.__name__ = missing.__qualname__ = name
    return missing
