"""A table in Parquet's form: a row an image, those that could not be read with the reason.

Columns: ``image``, ``name``, ``width``, ``height``, ``error``, and lists with an entry a detection:
``labels``, ``prompts``, ``scores``, ``boxes`` (x1, y1, x2, y2 in pixels) and ``masks`` (COCO's
compressed counts; the size is the image's).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .target import ImageLabels, Target

ROWS = 5_000  # of a row group


def check_classes(classes: list[str]) -> None:
    """Any name will do; the package that writes is needed.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ValueError('the form parquet needs pyarrow: pip install "expalign[label]"'
                         ) from error


@contextmanager
def writer(target: Target) -> Iterator[Callable[[ImageLabels], None]]:
    """Write ``labels.parquet``."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter
    text, number = pa.string(), pa.int32()
    schema = pa.schema([
        ('image', text), ('name', text), ('width', number), ('height', number), ('error', text),
        ('labels', pa.list_(number)), ('prompts', pa.list_(text)),
        ('scores', pa.list_(pa.float32())), ('boxes', pa.list_(pa.list_(pa.float32(), 4))),
        ('masks', pa.list_(text))],
        metadata=dict(model=target.model, classes='\n'.join(target.classes)))
    rows: list[dict[str, Any]] = []
    with ParquetWriter(target.folder / 'labels.parquet', schema) as file:
        def write() -> None:
            file.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def add(image: ImageLabels) -> None:
            rows.append(_row(image))
            if len(rows) == ROWS:
                write()
        yield add
        write()


def _row(image: ImageLabels) -> dict[str, Any]:
    found, readable = image.detections, image.error is None
    return dict(
        image=_text(image.source), name=_text(image.name), error=image.error,
        width=image.width if readable else None, height=image.height if readable else None,
        labels=[entry['label'] for entry in found], prompts=[entry['prompt'] for entry in found],
        scores=[entry['score'] for entry in found], boxes=[entry['box'] for entry in found],
        masks=[entry['mask']['counts'] if 'mask' in entry else None for entry in found])


def _text(name: str) -> str:
    """A name that is no valid Unicode, as Linux allows, in escapes: the form has none."""
    return name.encode('utf-8', 'backslashreplace').decode()
