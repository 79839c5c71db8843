"""Class names: their form, and the way from a name to the category of an annotation file.

Labels are positions in a list of names, never positions in a file, so that label i always means
``classes[i]`` whatever the order of the file's ``categories``.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Sequence

MAX_LISTED = 12
MAX_SEARCHED = 5000  # names among which close ones are looked for


class UnknownClasses(ValueError):
    """Classes that an annotation file does not have.

    Args:
        message: for people.
        names: the classes.
    """

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


def clean_class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names without surrounding white space.

    Raises:
        TypeError: ``classes`` is not a list or tuple of strings.
        ValueError: there is no name, an empty one, or one that occurs twice.
    """
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"'classes' must be a list or tuple of names, got {classes!r}")
    names = tuple(name.strip() for name in classes)
    if not names or '' in names:
        raise ValueError(f"'classes' must not be empty nor hold an empty name, got {classes!r}")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"'classes' names {', '.join(map(repr, repeated))} more than once")
    return names


def names_of_categories(categories: Sequence[dict], used_ids: Collection | None = None,
                        ) -> tuple[str, ...]:
    """Return the distinct names of a file's ``categories``, in the file's order.

    With ``used_ids``, the ids of the categories that have annotations, :func:`group_categories`
    are left out: they are no classes, and would be taught as absent from every image.
    """
    groups = () if used_ids is None else group_categories(categories, used_ids)
    return tuple(dict.fromkeys(
        category['name'].strip() for category in categories
        if not groups or category['id'] not in groups))


def group_categories(categories: Sequence[dict], used_ids: Collection) -> tuple:
    """The ids of categories that only hold others together, as Roboflow's exports have them.

    Such a category has no annotation, is the ``supercategory`` of others and has no category of
    the file as its own.
    """
    names = {category['name'].strip() for category in categories}
    above = {category['id']: str(category.get('supercategory') or '').strip()
             for category in categories}
    parents = {above[category['id']] for category in categories
               if above[category['id']] != category['name'].strip()}
    return tuple(
        category['id'] for category in categories
        if category['id'] not in used_ids and category['name'].strip() in parents
        and (above[category['id']] not in names
             or above[category['id']] == category['name'].strip()))


def category_ids_of_classes(classes: Sequence[str], categories: Sequence[dict], source: str,
                            used_ids: Collection[int] = ()) -> list[int]:
    """Return the category id of each class name, in the order of ``classes``.

    Names must be equal but for surrounding white space.

    Args:
        classes: the names to look up.
        categories: ``categories`` of an annotation file.
        source: the file, for messages.
        used_ids: ids of the categories that have annotations. Some exports list a name twice, once
            as an unused super-category; the used one is meant.

    Raises:
        UnknownClasses: names that the file does not have.
        ValueError: names that it has for several used categories.
    """
    ids_by_name = {}
    for category in categories:
        ids_by_name.setdefault(category['name'].strip(), []).append(category['id'])
    missing = [name for name in classes if name.strip() not in ids_by_name]
    if missing:
        raise UnknownClasses(_missing_message(missing, list(ids_by_name), source), missing)
    return [_single_id(name, ids_by_name[name.strip()], source, used_ids) for name in classes]


def _single_id(name: str, ids: list[int], source: str, used_ids: Collection[int]) -> int:
    if len(ids) > 1:
        ids = [i for i in ids if i in used_ids] or ids[:1]
    if len(ids) > 1:
        raise ValueError(
            f'{source} has annotations for {len(ids)} categories named {name!r} (ids {ids}): '
            f'give them different names or one id')
    return ids[0]


def _missing_message(missing: Sequence[str], known: Sequence[str], source: str) -> str:
    # Looking for close names takes a while for each pair.
    searched = known if len(known) <= MAX_SEARCHED else ()
    described = [repr(name) + _suggestion(name, searched) for name in missing[:MAX_LISTED]]
    if len(missing) > MAX_LISTED:
        described.append(f'and {len(missing) - MAX_LISTED} more')
    listed = ', '.join(known[:MAX_LISTED]) + (', ...' if len(known) > MAX_LISTED else '')
    return (f'{source} has no category named {", ".join(described)}. '
            f"'classes' must name categories of this file; it has {len(known)}: {listed}")


def _suggestion(name: str, known: Sequence[str]) -> str:
    by_folded_name = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_folded_name, n=3, cutoff=0.6)
    if not close:
        return ''
    return f' (did you mean {" or ".join(repr(by_folded_name[other]) for other in close)}?)'
