"""Tiny tokenizers, built offline, and configurations of text towers that go with them.

Both tokenizers split any ASCII text into characters, except for a few words that they know as one
token, so that prompts of several lengths are easy to write: 'cat' is one token, 'owl' is three.
"""

from pathlib import Path

WORDS = ('cat', 'dog', 'red')
_ASCII = [chr(code) for code in range(33, 127)]


def make_clip_tokenizer(folder: str | Path, max_length: int = 77) -> str:
    """Write a CLIP tokenizer (byte-pair encoding, padded with its end token) and return its path.

    Its ids are those of :func:`tiny_clip_config`.
    """
    from transformers import CLIPTokenizer
    merges, pieces = [], []
    for word in WORDS:
        piece = word[0]
        for char in (*word[1:-1], f'{word[-1]}</w>'):
            merges.append((piece, char))
            piece += char
            pieces.append(piece)
    tokens = [*_ASCII, *(f'{char}</w>' for char in _ASCII), *pieces,
              '<|startoftext|>', '<|endoftext|>']
    vocab = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab, merges, model_max_length=max_length).save_pretrained(folder)
    return str(folder)


def make_bert_tokenizer(folder: str | Path, max_length: int = 64) -> str:
    """Write a lower-casing BERT tokenizer (WordPiece) and return its path.

    Its ids are those of :func:`tiny_bert_config`.
    """
    from transformers import BertTokenizer
    chars = [char for char in _ASCII if not char.isupper()]
    tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *WORDS, *chars,
              *(f'##{char}' for char in chars)]
    vocab = {token: index for index, token in enumerate(tokens)}
    BertTokenizer(vocab, model_max_length=max_length).save_pretrained(folder)
    return str(folder)


def tiny_clip_config(**changes) -> dict:
    """Return ``CLIPTextConfig`` arguments for :func:`make_clip_tokenizer`'s ids."""
    size = 2 * len(_ASCII) + sum(len(word) - 1 for word in WORDS) + 2
    return dict(
        vocab_size=size, bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
        hidden_size=16, intermediate_size=32, projection_dim=12, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77) | changes


def tiny_bert_config(**changes) -> dict:
    """Return configuration arguments of a BERT for :func:`make_bert_tokenizer`'s ids."""
    size = 5 + len(WORDS) + 2 * sum(not char.isupper() for char in _ASCII)
    return dict(
        model_type='bert', vocab_size=size, hidden_size=16, intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64) | changes
