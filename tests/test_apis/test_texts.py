"""Forms of ``texts``: strings, files, vocabularies, several images."""

import json
from itertools import islice

import pytest

from expalign.apis.texts import prompts_of_images, read_prompt_file, read_vocabulary
from expalign.apis.vocabularies import named_vocabulary


@pytest.mark.parametrize(('text', 'custom_entities', 'prompts'), [
    ('cat . dog', None, ['cat', 'dog']),
    ('cat . a dog.', None, ['cat', 'a dog']),
    ('a man. He rides', None, ['a man. He rides']),
    ('a cat. a dog', True, ['a cat', 'a dog']),
    ('cat . dog', False, ['cat . dog']),
    (['cat . dog', ' owl '], None, ['cat . dog', 'owl']),
])
def test_one_vocabulary(text, custom_entities, prompts):
    assert read_vocabulary(text, custom_entities) == prompts


def test_files(tmp_path):
    lines = tmp_path / 'a.txt'
    lines.write_text('\ufeffcat\n\n  red chair \n', encoding='utf-8')
    assert read_vocabulary(str(lines)) == ['cat', 'red chair']
    names = tmp_path / 'b.json'
    names.write_text(json.dumps([['cat', 'kitten'], 'owl']))
    assert read_prompt_file(names) == ['cat', 'owl']


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.json', '{"cat": 1}', r'a\.json: expected a list of prompts, got a dict'),
    ('a.json', '[', r'a\.json: Expecting value'),
    ('a.json', '[["cat"], []]', r'a\.json: an empty list of synonyms'),
    ('a.json', '[3]', r'a\.json: prompt 0 is 3 of type int'),
    ('a.txt', '\n', r'a\.txt: no prompt in'),
])
def test_wrong_files_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_vocabulary(str(path))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r'prompts absent\.txt does not exist'):
        read_vocabulary('absent.txt')


@pytest.mark.parametrize(('name', 'size', 'member', 'absent'), [
    ('coco', 80, 'fire hydrant', 'cabinet/shelf'),
    ('o365', 365, 'tissue', 'tissue '),
    ('lvis', 1203, 'bow (decorative ribbons)', 'aerosol_can'),
])
def test_named_vocabularies(name, size, member, absent):
    prompts = named_vocabulary(name)
    assert len(set(prompts)) == len(prompts) == size
    assert member in prompts
    assert absent not in prompts
    assert read_vocabulary(name) == read_vocabulary(f'$: {name}') == list(prompts)


def test_unknown_vocabulary():
    with pytest.raises(ValueError, match="no vocabulary named 'voc': there are coco, lvis, o365"):
        read_vocabulary('$: voc')


def test_several_images():
    assert prompts_of_images(['cat', 'a . b'], 2) == [['cat'], ['a', 'b']]
    assert prompts_of_images([['cat'], ['dog', 'owl']], 2) == [['cat'], ['dog', 'owl']]
    for texts in ('cat . dog', ['cat', 'dog']):
        assert list(islice(prompts_of_images(texts, 3), 3)) == [['cat', 'dog']] * 3
    assert next(iter(prompts_of_images(['cat', 'dog'], 1))) == ['cat', 'dog']


def test_several_images_refused():
    with pytest.raises(ValueError, match='prompts of 1 images, but there are 2 images'):
        prompts_of_images([['cat']], 2)
    with pytest.raises(TypeError, match='mixes strings and lists'):
        prompts_of_images(['cat', ['dog']], 2)
    with pytest.raises(ValueError, match='no prompt in'):
        prompts_of_images([], 2)
