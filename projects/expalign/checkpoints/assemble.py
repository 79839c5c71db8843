"""Join the image side of a converted checkpoint and shipped parts into one state."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from expalign.utils import finished_file

TEXT_PREFIX = 'text_adapter.'
# How the names of a part may begin: text side, mask branches.
PART_PREFIXES = (
    TEXT_PREFIX,
    'bbox_head.head_module.coeff_branches.',
    'bbox_head.head_module.prototype_branch.',
)


def assemble(
    image_weights: str | Path, parts: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
) -> dict[str, Tensor]:
    """The weights of the whole detector.

    Args:
        image_weights: what ``tools/model_converters/yolo_world_to_expalign.py`` writes. What it
            has of a kind that is in ``parts`` is replaced.
        parts: safetensors files, or one, whose names all start with one of ``PART_PREFIXES``:
            those of ``projects/expalign/weights``, or of ``publish_model.py --trained-only``.
        out: safetensors file to write; its header keeps what all files' headers say.

    Returns:
        The state by names of the model's own ``state_dict()``, in float32.

    Raises:
        FileNotFoundError: one of the files does not exist.
        ValueError: one of them is not of the kind that is asked for, or two parts have the same
            weight.
    """
    from .safetensors_loader import load_from_safetensors
    parts = [parts] if isinstance(parts, str | Path) else parts
    image, *loaded = (load_from_safetensors(str(path)) for path in (image_weights, *parts))
    if not any(name.startswith('backbone.') for name in image['state_dict']):
        raise ValueError(
            f"{image_weights} has no image side (no name starts with 'backbone.'); convert one "
            'with tools/model_converters/yolo_world_to_expalign.py')
    added: dict[str, Tensor] = {}
    owners: dict[str, str | Path] = {}
    for path, part in zip(parts, loaded, strict=True):
        _check_part(path, part['state_dict'], owners)
        added.update(part['state_dict'])
        owners.update(dict.fromkeys(part['state_dict'], path))
    replaced = tuple(
        prefix for prefix in PART_PREFIXES if any(name.startswith(prefix) for name in added))
    state = {name: x for name, x in image['state_dict'].items() if not name.startswith(replaced)}
    state = {name: x.float() if x.is_floating_point() else x
             for name, x in (state | added).items()}
    if out is not None:
        from safetensors.torch import save_file
        headers = {'image_side': image['meta']} | {
            Path(path).stem: part['meta'] for path, part in zip(parts, loaded, strict=True)}
        with finished_file(out) as temporary:
            save_file(state, temporary, {
                f'{source}.{key}': str(value)
                for source, meta in headers.items() for key, value in meta.items()})
    return state


def read_text_side(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A text side's weights by names of the text adapter itself, in float32, and its header."""
    from .safetensors_loader import load_from_safetensors
    loaded = load_from_safetensors(str(path))
    state = {name.removeprefix(TEXT_PREFIX): x.float() for name, x in loaded['state_dict'].items()}
    return state, loaded['meta']


def _check_part(
    path: str | Path, part: Mapping[str, Tensor], owners: Mapping[str, str | Path]
) -> None:
    strange = [name for name in part if not name.startswith(PART_PREFIXES)]
    if strange or not part:
        raise ValueError(
            f"{path} is not a part of a detector: it has {strange[0] if strange else 'nothing'!r}, "
            f"and all its names must start with one of {', '.join(PART_PREFIXES)}")
    for name in part:
        if name in owners:
            raise ValueError(f'{owners[name]} and {path} both have {name!r}: give one of them')
