"""One vocabulary for an image that is put together from several.

Axes: V entries of the vocabulary, G instances.
"""

import numpy as np

from ..phrases import Entry, plain, synonyms


def true_negatives(results: dict) -> np.ndarray:
    """The entries of ``text`` that are known not to be in the image, (V,) bool.

    Those are the classes of a detection set without an instance in the image as it was loaded,
    whatever became of the instances since; ignored (crowd) ones count. An entry of a grounding
    set is what a caption says: without an instance it may still be in the image.

    Required keys: ``text`` (V), ``gt_bboxes_labels`` (G,) and the record's ``instances`` with
    their ``bbox_label``; optional ``text_kind``, ``'detection'`` by default. Where there is
    ``true_negatives`` (V), from :func:`merge_prompts` or of the record, that is returned.
    """
    if 'true_negatives' in results:
        return np.asarray(results['true_negatives'], dtype=bool)
    absent = np.full(len(results['text']), results.get('text_kind') != 'grounding')
    absent[[instance['bbox_label'] for instance in results.get('instances', ())]] = False
    absent[results['gt_bboxes_labels']] = False
    return absent


def merge_prompts(results: dict, others: list[dict]) -> None:
    """Let several samples share one ``text``, for their instances to become one sample's.

    Entries with the same first synonym are one; the first sample's synonyms stay. An entry is a
    true negative where it is one of every sample: what one data set calls absent is unknown
    in an image of a data set that does not look for it.

    Modified: ``text`` and ``gt_bboxes_labels`` (G,) of all samples. Added to the first:
    ``true_negatives`` (V,) bool.
    """
    samples = [results, *others]
    negatives = [true_negatives(sample) for sample in samples]
    texts = [sample['text'] for sample in samples]
    if all(text == texts[0] for text in texts):
        results['true_negatives'] = np.logical_and.reduce(negatives)
        return
    merged, rows = _merge_texts(texts)
    absent_in = np.zeros(len(merged), dtype=np.int64)
    for sample, absent, row in zip(samples, negatives, rows, strict=True):
        sample['text'] = merged
        sample['gt_bboxes_labels'] = row[sample['gt_bboxes_labels']]
        absent_in[np.setdiff1d(row[absent], row[~absent])] += 1
    results['true_negatives'] = absent_in == len(samples)


def _merge_texts(texts: list[list[Entry]]) -> tuple[list[Entry], list[np.ndarray]]:
    """The entries of all texts, and for each text the places of its own among them."""
    index_of, merged, rows = {}, [], []
    for number, text in enumerate(texts):
        same = next((other for other in range(number) if texts[other] == text), None)
        if same is not None:
            rows.append(rows[same])
            continue
        row = np.empty(len(text), dtype=np.int64)
        for label, entry in enumerate(text):
            row[label] = index_of.setdefault(plain(synonyms(entry)[0]), len(merged))
            if row[label] == len(merged):
                merged.append(entry)
        rows.append(row)
    return merged, rows
