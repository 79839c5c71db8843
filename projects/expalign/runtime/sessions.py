"""Opening ONNX files with onnxruntime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from expalign.utils.file_kinds import describe_file, special_kind

from .settings import from_metadata


def open_session(
    path: str | Path, kind: type, providers: Sequence[Any] | None, threads: int | None
) -> tuple[Any, Any]:
    """A session and the settings in its file.

    Args:
        path: ONNX file of ``tools/deploy/export_onnx.py``.
        kind: class of the settings.
        providers: of onnxruntime; by default the CPU's.
        threads: of one operator; by default onnxruntime's choice.

    Raises:
        ImportError: onnxruntime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: the file is not of this kind.
    """
    session = _open(path, providers, threads)
    return session, from_metadata(kind, session.get_modelmeta().custom_metadata_map, str(path))


def metadata_of(path: str | Path) -> Mapping[str, str]:
    """What is written in an ONNX file beside its graph; nothing is prepared for running.

    Raises:
        ImportError, FileNotFoundError, ValueError: see :func:`open_session`.
    """
    return _open(path, None, None, optimised=False).get_modelmeta().custom_metadata_map


def _open(path: str | Path, providers: Sequence[Any] | None, threads: int | None,
          optimised: bool = True) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            'running ONNX files needs onnxruntime: pip install onnxruntime') from error
    if not Path(path).exists():
        raise FileNotFoundError(f'the ONNX file {path} does not exist')
    if special_kind(path) is not None:
        raise ValueError(f'{path} is no ONNX model: it is {describe_file(path)}')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; warnings are about its own optimisations
    if threads is not None:
        options.intra_op_num_threads = threads
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=list(providers or ['CPUExecutionProvider']))
    # onnxruntime's errors have no base of their own.
    except Exception as error:
        raise ValueError(f'{path} cannot be opened as an ONNX model; it is {describe_file(path)}. '
                         f'onnxruntime says: {str(error).strip()}') from error
