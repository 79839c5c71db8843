"""Referring expressions in the official form of RefCOCO, RefCOCO+ and RefCOCOg.

``refs(unc).p``, ``refs(umd).p`` or ``refs(google).p`` is a pickled list of dicts, one for each
object that is referred to: ``image_id``, ``ann_id``, ``split`` and ``sentences`` (with ``raw`` or
``sent``). ``instances.json`` beside it has the images and the objects in COCO's format. The same
list as JSON is read too.
"""

import os
import pickle
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from expalign.limits import RECORD_STEPS
from expalign.structures.prompts import is_unicode
from expalign.utils.file_kinds import describe_file
from expalign.utils.pickle_scan import ALL_STEPS, BoundedReader, check_pickle
from expalign.utils.shown import shown

from .coco import usable_object
from .coco_layout import checked_image
from .fields import identifier
from .problems import AnnotationProblems
from .record import PhraseList, clean_phrase, instance, xyxy
from .text_file import check_text_file, read_json

NO_OBJECT = 'the reference names an annotation that the file does not have'
OTHER_IMAGE = 'the reference names an annotation of another image'
NO_EXPRESSION = 'the reference has no expression'
NO_REFERRED_IMAGE = 'a reference names an image that the file does not have'
KEYS = ('image_id', 'ann_id', 'split', 'sentences')


class _PlainUnpickler(pickle.Unpickler):
    """Lists, dicts, strings and numbers only: no class or function of a file is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for '{module}.{name}'")


def read_refs(path: str) -> list[dict]:
    """The references of a file, a pickle or JSON. Nothing that the file names is run.

    Raises:
        ValueError: it holds anything but plain containers, strings and numbers, cannot be read,
            or is no list of references.
    """
    if str(path).endswith('.json'):
        refs = read_json(path)
    else:
        check_text_file(path, f"file '{path}'")
        with open(path, 'rb') as file:
            try:
                check_pickle(BoundedReader(file, os.path.getsize(path)), f"file '{path}'",
                             ALL_STEPS, RECORD_STEPS)
                file.seek(0)
                refs = _PlainUnpickler(file, encoding='utf-8').load()
            # A damaged or hostile pickle makes the parser raise all kinds of errors.
            except Exception as error:
                what = describe_file(path)
                claim = '' if what == 'a pickle of Python' else f'; it is {what}'
                raise ValueError(
                    f"file '{path}' cannot be read as references: a list of plain dicts is "
                    f'expected ({type(error).__name__}: {error}){claim}') from error
    if not isinstance(refs, list) or not all(
            isinstance(ref, dict) and all(key in ref for key in KEYS) for ref in refs):
        raise ValueError(
            f"file '{path}' is no list of references: each needs {', '.join(map(repr, KEYS))}")
    for index, ref in enumerate(refs):
        for key in ('image_id', 'ann_id', 'split'):
            if identifier(ref[key]) is None:
                raise ValueError(f"file '{path}', reference {index}: {key!r} must be a number or "
                                 f'text, got {shown(ref[key])}')
        if not isinstance(ref['sentences'], list) or not all(
                isinstance(sentence, dict) for sentence in ref['sentences']):
            raise ValueError(f"file '{path}', reference {index}: 'sentences' must be a list of "
                             f'objects, got {shown(ref["sentences"])}')
    return refs


def expressions(ref: dict) -> list[str]:
    """The distinct expressions of a reference, in their order."""
    texts = (sentence.get('raw') or sentence.get('sent') or '' for sentence in ref['sentences'])
    cleaned = (clean_phrase(text) for text in texts if isinstance(text, str) and is_unicode(text))
    return list({text.casefold(): text for text in reversed(list(cleaned)) if text}.values())[::-1]


def refs_of_splits(refs: Sequence[dict], splits: Sequence[str], path: str) -> list[dict]:
    """The references of some splits.

    Raises:
        ValueError: a split that the file does not have.
    """
    known = sorted({str(ref['split']) for ref in refs})
    missing = [split for split in splits if split not in known]
    if missing:
        raise ValueError(f"file '{path}' has no split {', '.join(map(repr, missing))}; it has "
                         f"{', '.join(known)}")
    return [ref for ref in refs if ref['split'] in splits]


def records_by_image(refs: Sequence[dict], images: dict[int, dict], annotations: dict[int, dict],
                     problems: AnnotationProblems) -> Iterator[dict]:
    """One record an image: a phrase (with its other wordings as synonyms) for each object.

    Wordings that several objects of the image share are not used, unless an object has no other:
    then one phrase names all of these objects.

    Args:
        refs: see :func:`refs_of_splits`.
        images, annotations: of ``instances.json``, by id.
        problems: takes what is not used.
    """
    grouped = defaultdict(list)
    for ref in refs:
        grouped[ref['image_id']].append(ref)
    for image_id, members in grouped.items():
        record = _empty_record(image_id, images, problems)
        if record is None:
            continue
        phrases = PhraseList()
        uses = Counter(text.casefold() for ref in members for text in expressions(ref))
        for ref in members:
            texts = expressions(ref)
            own = [text for text in texts if uses[text.casefold()] == 1]
            _add(record, phrases, ref, own or texts[:1], annotations, problems)
        yield record | dict(text=phrases.text)


def records_by_expression(refs: Sequence[dict], images: dict[int, dict],
                          annotations: dict[int, dict],
                          problems: AnnotationProblems) -> Iterator[dict]:
    """One record for each expression, with one phrase and one box, as referring is evaluated."""
    for ref in refs:
        for text in expressions(ref):
            record = _empty_record(ref['image_id'], images, problems)
            if record is None:
                continue
            phrases = PhraseList()
            _add(record, phrases, ref, [text], annotations, problems)
            yield record | dict(text=phrases.text, caption=text)


def _empty_record(image_id: int, images: dict[int, dict],
                  problems: AnnotationProblems) -> dict | None:
    if image_id not in images:
        problems.refuse(NO_REFERRED_IMAGE, f'image {image_id!r}')
        return None
    image = checked_image(images[image_id], problems)
    if image is None:
        return None
    problems.entry(images[image_id])
    return dict(file_name=image['file_name'], height=image['height'], width=image['width'],
                img_id=image_id, text_kind='grounding', text=[], instances=[])


def _add(record: dict, phrases: PhraseList, ref: dict, texts: Sequence[str],
         annotations: dict[int, dict], problems: AnnotationProblems) -> None:
    place = f"image '{record['file_name']}', reference {ref.get('ref_id')!r}"
    raw = annotations.get(ref['ann_id'])
    if raw is None:
        problems.bad(NO_OBJECT, place)
    elif identifier(raw.get('image_id')) != record['img_id']:
        problems.bad(OTHER_IMAGE, place)
    elif not texts:
        problems.bad(NO_EXPRESSION, place)
    else:
        annotation = usable_object(raw, record, problems)
        if annotation is not None:
            problems.used(raw)
            label = phrases.label(texts[0], synonyms=list(texts[1:]))
            record['instances'].append(
                instance(xyxy(annotation['bbox']), label, annotation.get('segmentation')))
