"""Arguments under the names that other packages give them: an error that says ours."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

# Names of one thing: here, in mmdet, ultralytics, GroundingDINO, transformers and supervision.
_SAME = (
    {'texts', 'prompts', 'text', 'prompt', 'classes', 'class_names', 'names', 'labels', 'caption',
     'captions', 'text_prompt', 'text_prompts', 'queries', 'query', 'words', 'vocabulary'},
    {'score_thr', 'pred_score_thr', 'conf', 'conf_thres', 'conf_thr', 'confidence', 'threshold',
     'thresh', 'thr', 'score', 'score_threshold', 'min_score', 'box_threshold', 'conf_threshold'},
    {'images', 'inputs', 'image', 'input', 'img', 'imgs', 'source', 'photo', 'photos', 'path',
     'file', 'files'},
    {'out_dir', 'out', 'output', 'output_dir', 'save_dir', 'project', 'work_dir', 'folder', 'dir'},
    {'weights', 'checkpoint', 'ckpt'},
    {'model', 'config', 'cfg'},
    {'batch_size', 'batch', 'bs'},
    {'return_vis', 'plot', 'visualize', 'annotated'},
    {'return_eam', 'return_maps', 'heatmap', 'maps'},
    {'device', 'gpu', 'cuda', 'devices'},
)


class UnknownArgument(TypeError, ValueError):
    """A function has no argument of this name: Python's kind of error, and mmengine's."""


def check_keywords(function: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse arguments that a function does not have.

    Args:
        function: its name, for the message.
        given: names of arguments.
        known: the function's own.

    Raises:
        UnknownArgument: for the first one that is not known; the message suggests the one that
            was meant.
    """
    for name in given:
        if name not in known:
            right = suggest(name, known)
            hint = f'did you mean {right}?' if right else f'it has {", ".join(sorted(known))}'
            raise UnknownArgument(f'unknown argument {name!r} of {function}(); {hint}')


def suggest(name: str, known: Collection[str]) -> str | None:
    """The known name that means the same as ``name``, or is spelled nearly as it; or None.

    Dashes and underscores are one, as on a command line.
    """
    plain = {entry.lstrip('-').replace('-', '_'): entry for entry in known}
    word = name.lstrip('-').replace('-', '_').lower()
    for same in _SAME:
        if word in same and (right := [entry for entry in plain if entry in same]):
            return plain[min(right, key=len)]
    close = get_close_matches(word, plain, n=1)
    return plain[close[0]] if close else None
