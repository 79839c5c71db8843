"""What a visitor's words mean, and what may have been meant."""

import pytest

from expalign.apis.web.requests import Refused
from expalign.apis.web.words import hints, read_prompts


def test_prompts():
    assert read_prompts('a cat. a dog\n\n a cat \nowl.') == (['a cat', 'a dog', 'owl'], [])
    # Names of files and vocabularies are prompts like any other: visitors read no files.
    assert read_prompts('coco')[0] == ['coco']
    assert read_prompts('/etc/passwd')[0] == ['/etc/passwd']
    prompts, notes = read_prompts('cat|dog')
    assert prompts == ['cat|dog'] and 'was read as one prompt' in notes[0]
    assert read_prompts('猫、犬, 🦒')[0] == ['猫', '犬', '🦒']
    with pytest.raises(Refused, match='Write what to search for'):
        read_prompts(' ,\n. ')


def test_hints():
    assert hints(['lvsi'], ['lvsi']) == [dict(prompt='lvsi', vocabulary='lvis')]
    assert hints(['a girafe', 'a cat'], ['a girafe']) == [
        dict(prompt='a girafe', better='a giraffe')]
    assert hints(['a elefant', 'b'], ['a elefant']) == [
        dict(prompt='a elefant', better='an elephant')]
    assert hints(['a giraffe', 'x'], ['a giraffe']) == []  # spelled right, and not there
    assert hints(['zzzzz', 'mare'], ['zzzzz', 'mare']) == []
    many = [f'girafe{"f" * k}' for k in range(3)] * 4
    assert len(hints(many, many)) == 5
