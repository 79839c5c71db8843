"""Join the image side of a converted checkpoint and a shipped text side into one state."""

from pathlib import Path

from torch import Tensor

TEXT_PREFIX = 'text_adapter.'


def assemble(
    image_weights: str | Path, text_weights: str | Path, out: str | Path | None = None
) -> dict[str, Tensor]:
    """The weights of the whole detector.

    Args:
        image_weights: what ``tools/model_converters/yolo_world_to_expalign.py`` writes. Its own
            text adapter, if it has one, is replaced.
        text_weights: safetensors file whose names all start with ``text_adapter.``.
        out: safetensors file to write; its header keeps what both files' headers say.

    Returns:
        The state by names of ``configs/expalign_v8s_minilm.py``'s model, in float32.

    Raises:
        FileNotFoundError: one of the files does not exist.
        ValueError: one of them is not of the kind that is asked for.
    """
    from expalign.engine.safetensors_loader import load_from_safetensors
    image, text = (load_from_safetensors(str(path)) for path in (image_weights, text_weights))
    strange = [name for name in text['state_dict'] if not name.startswith(TEXT_PREFIX)]
    if strange or not text['state_dict']:
        raise ValueError(
            f"{text_weights} is not a text side: it has {strange[0] if strange else 'nothing'!r}, "
            f"and all its names must start with '{TEXT_PREFIX}'")
    if not any(name.startswith('backbone.') for name in image['state_dict']):
        raise ValueError(
            f"{image_weights} has no image side (no name starts with 'backbone.'); convert one "
            'with tools/model_converters/yolo_world_to_expalign.py')
    state = {name: x for name, x in image['state_dict'].items()
             if not name.startswith(TEXT_PREFIX)}
    state.update(text['state_dict'])
    state = {name: x.float() if x.is_floating_point() else x for name, x in state.items()}
    if out is not None:
        from safetensors.torch import save_file
        meta = {f'image_side.{key}': str(value) for key, value in image['meta'].items()}
        meta.update({f'text_side.{key}': str(value) for key, value in text['meta'].items()})
        save_file(state, out, meta)
    return state
