"""Where prompts of a string end."""

import warnings

import pytest

from expalign.utils.prompt_split import split_prompts


@pytest.mark.parametrize(('text', 'prompts'), [
    ('cat . dog', ['cat', 'dog']),
    ('a person. a horse', ['a person', 'a horse']),
    ('cat. dog.', ['cat', 'dog']),
    ('cat .dog .', ['cat', 'dog']),
    ('person,dog, cat', ['person', 'dog', 'cat']),
    ('cat;dog ; owl;', ['cat', 'dog', 'owl']),
    ('cat\ndog\r\n\n owl', ['cat', 'dog', 'owl']),
    ('a cat...  a dog.,', ['a cat', 'a dog']),
    ('a red chair', ['a red chair']),
    (' . ,;\n', []),
    # numbers
    ('2.5 mm screw', ['2.5 mm screw']),
    ('a 2.5 mm screw, a 1,000 dollar bill. a .22 rifle', [
        'a 2.5 mm screw', 'a 1,000 dollar bill', 'a .22 rifle']),
    ('number 5. number 6.', ['number 5', 'number 6']),
    # abbreviations
    ('U.S. flag', ['U.S. flag']),
    ('a U.S. flag. a horse', ['a U.S. flag', 'a horse']),
    ('e.g. a horse', ['e.g. a horse']),
    ('St. Bernard, Dr. Pepper can. No. 5 bus', ['St. Bernard', 'Dr. Pepper can', 'No. 5 bus']),
    ('George W. Bush. a chair', ['George W. Bush', 'a chair']),
    ('no. yes', ['no', 'yes']),
    # quotes
    ('"St. Bernard, big". a cat', ['St. Bernard, big', 'a cat']),
    ("'cat, dog' , owl", ['cat, dog', 'owl']),
    ('a sign "stop, now". a cat', ['a sign "stop, now"', 'a cat']),
    ("a man's hat, a dog's bone", ["a man's hat", "a dog's bone"]),
    ('a 24" screen, a 27" screen', ['a 24" screen', 'a 27" screen']),
    # other scripts
    ('猫，狗。鸟', ['猫', '狗', '鸟']),
    ('犬､猫｡鳥、ソフト・ドリンク', ['犬', '猫', '鳥', 'ソフト・ドリンク']),
    ('قط، كلب؛ حصان', ['قط', 'كلب', 'حصان']),
    ('cat\u2028dog\u2029owl\x85fox', ['cat', 'dog', 'owl', 'fox']),
    ('«cat, dog», „big, red“; 「犬、猫」', ['cat, dog', 'big, red', '犬、猫']),
    # no separators
    ('a clock at 10:30. see https://a.org/b', ['a clock at 10:30', 'see https://a.org/b']),
    ('3.5mm jack, usb-c cable', ['3.5mm jack', 'usb-c cable']),
    ('"red cat, a \'dog', ['"red cat', "a 'dog"]),
])
def test_what_separates(text, prompts):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert split_prompts(text) == prompts


@pytest.mark.parametrize('text', [
    'cat.dog', 'cat/dog', 'cat | dog', 'cat\tdog', 'cat .', 'cat,', '.cat'])
def test_one_prompt_by_mistake_is_said(text):
    with pytest.warns(UserWarning, match=r'was read as one prompt, .*separate prompts'):
        assert split_prompts(text) == [text.strip(' .,')]


def test_many_prompts_take_no_time():
    text = ', '.join(f'thing {number}.5 of "x"' for number in range(20_000))
    assert len(split_prompts(text)) == 20_000
    for sign in '“„«「':
        assert split_prompts(sign * 100_000) == [sign * 100_000]
