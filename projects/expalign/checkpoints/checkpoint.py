"""Does a checkpoint fit a model? One readable answer instead of a long warning in the log."""

from collections.abc import Mapping

from torch import Tensor, nn

# Encoders load their own weights when they are built, so a checkpoint may be published without.
ENCODERS = ('backbone', 'text_encoder')
TUNED_PROMPTS = 'tuned_prompts'
MAX_LISTED = 5
# What only a head for masks has. Without them the rest of such a checkpoint is the detection form.
MASK_BRANCHES = tuple(
    f'bbox_head.head_module.{part}.' for part in ('coeff_branches', 'prototype_branch'))


def describe_mismatch(model: nn.Module, state_dict: Mapping[str, Tensor]) -> str | None:
    """Compare names and shapes, without loading anything.

    The weights of an encoder may be absent, see :func:`optional_prefixes`, and so may counters of
    batches in normalisation layers; :func:`mask_branches_left_over` may be there.

    Args:
        model: the model, without a wrapper.
        state_dict: the weights by the names of the model's own ``state_dict()``.

    Returns:
        None where everything fits; else a sentence that counts the weights that are missing,
        unknown and of another shape, and names the first of each kind, with both shapes.
    """
    wanted = model.state_dict()
    optional = optional_prefixes(model, state_dict)
    missing = [
        name for name in wanted if name not in state_dict
        and not name.startswith(optional) and not name.endswith('num_batches_tracked')]
    left_over = set(mask_branches_left_over(model, state_dict))
    unknown = [name for name in state_dict if name not in wanted and name not in left_over]
    reshaped = [
        f'{name} {tuple(state_dict[name].shape)} instead of {tuple(wanted[name].shape)}'
        for name in wanted
        if name in state_dict and state_dict[name].shape != wanted[name].shape]
    parts = [
        f'{len(names)} {verdict} ({_first(names)})'
        for names, verdict in (
            (missing, 'missing from the checkpoint'),
            (unknown, 'unknown to the model'),
            (reshaped, 'of another shape'))
        if names]
    return '; '.join(parts) or None


def optional_prefixes(model: nn.Module, state_dict: Mapping[str, Tensor]) -> tuple[str, ...]:
    """How the names of weights begin that may be absent from a checkpoint.

    Those of frozen encoders, and of layers that a trained one keeps as they are, as its unused
    pooler; and those of trained ones of which the checkpoint has nothing, as where training
    starts from weights that were published without: it then goes on from the encoder's own.
    Tuned prompts of which the checkpoint has nothing start at zero.
    """
    left_out = trained_encoders_left_out(model, state_dict)
    if not any(key.startswith(TUNED_PROMPTS) for key in state_dict):
        left_out.append(TUNED_PROMPTS)
    return frozen_prefixes(model) + kept_layers(model) + tuple(f'{name}.' for name in left_out)


def kept_layers(model: nn.Module) -> tuple[str, ...]:
    """How the names of weights begin of an encoder's layers that have nothing trained."""
    layers = {name.rpartition('.')[0] for name, _ in model.named_parameters()
              if name.partition('.')[0] in ENCODERS}
    trained = {name.rpartition('.')[0] for name, parameter in model.named_parameters()
               if parameter.requires_grad}
    return tuple(f'{layer}.' for layer in sorted(layers - trained)
                 if not any(other.startswith(f'{layer}.') for other in trained))


def trained_encoders_left_out(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> list[str]:
    """The encoders that ``model`` trains and of which the checkpoint has nothing."""
    return [name for name in ENCODERS if is_trained(getattr(model, name, None))
            and not any(key.startswith(f'{name}.') for key in state_dict)]


def mask_branches_left_over(model: nn.Module, state_dict: Mapping[str, Tensor]) -> list[str]:
    """Names of a checkpoint's weights of mask branches, where ``model`` predicts no masks.

    Empty unless the checkpoint has all of :data:`MASK_BRANCHES` and the model has none of them.
    """
    found = [name for name in state_dict if name.startswith(MASK_BRANCHES)]
    whole = all(any(name.startswith(part) for name in found) for part in MASK_BRANCHES)
    if not whole or any(name.startswith(MASK_BRANCHES) for name in model.state_dict()):
        return []
    return found


def frozen_prefixes(model: nn.Module) -> tuple[str, ...]:
    """How the names of weights begin that a checkpoint of ``model`` may leave out."""
    return tuple(f'{name}.' for name in ENCODERS if is_frozen(getattr(model, name, None)))


def is_frozen(module: nn.Module | None) -> bool:
    """True for a module that has parameters, none of which is trained."""
    return module is not None and any(True for _ in module.parameters()) and not is_trained(module)


def is_trained(module: nn.Module | None) -> bool:
    """True for a module that has a parameter that is trained."""
    return module is not None and any(x.requires_grad for x in module.parameters())


def _first(names: list[str]) -> str:
    more = f' and {len(names) - MAX_LISTED} more' if len(names) > MAX_LISTED else ''
    return ', '.join(names[:MAX_LISTED]) + more
