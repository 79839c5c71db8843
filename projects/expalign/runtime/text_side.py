"""Prompts to text features without PyTorch: tokenizer and ONNX encoder.

Axes: K prompts, T positions of the tokenizer, L tokens, D width.
"""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from expalign.limits import Limit
from expalign.structures.bare_prompt import bare_prompt
from expalign.structures.name_keys import NameTable
from expalign.utils.file_kinds import describe_file

from .sessions import open_session
from .settings import TextSettings

BATCH_SIZE = 256
TOKENIZER_BYTES = Limit('EXPALIGN_MAX_TOKENIZER_BYTES', 64 * 2**20, 'bytes in a tokenizer')


class OnnxTextSide:
    """Encoder and adapter of a detector, exported with ``--text-side``.

    Args:
        path: the ONNX file; the tokenizer's file lies beside it.
        providers: of onnxruntime; by default the CPU's.
        threads: of one operator; by default onnxruntime's choice.

    Raises:
        FileNotFoundError: one of the files does not exist.
        ValueError: they are not what the exporter wrote.
    """

    def __init__(self, path: str | Path, providers: Sequence[Any] | None = None,
                 threads: int | None = None) -> None:
        self.session, self.settings = open_session(path, TextSettings, providers, threads)
        self._inputs = {item.name for item in self.session.get_inputs()}
        self.known = NameTable(self.settings.known_names or ())
        self.tokenizer = self._load_tokenizer(Path(path).with_name(self.settings.tokenizer))

    def _load_tokenizer(self, path: Path) -> Any:
        from tokenizers import Tokenizer
        if not path.is_file():
            raise FileNotFoundError(f'the tokenizer {path} must lie beside the text side')
        TOKENIZER_BYTES.check(path.stat().st_size, str(path))
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.settings.tokenizer_sha256:
            raise ValueError(
                f'{path} is not the tokenizer that the text side was exported with: its sha256 is '
                f'{digest}, it should be {self.settings.tokenizer_sha256}')
        try:
            tokenizer = Tokenizer.from_str(content.decode())
        # The library raises Exception itself.
        except Exception as error:
            raise ValueError(f'{path} is no tokenizer: it is {describe_file(path)} ({error})'
                             ) from error
        tokenizer.enable_truncation(self.settings.max_length)
        tokenizer.enable_padding(
            pad_id=self.settings.pad_id, pad_token=self.settings.pad_token,
            length=self.settings.max_length if self.settings.padding == 'max_length' else None)
        return tokenizer

    def encode(self, prompts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode distinct prompts.

        Returns:
            txt_feats (K, L, D) float32, zero where masked, and txt_masks (K, L) bool.
        """
        parts = [self._encode(prompts[start:start + BATCH_SIZE])
                 for start in range(0, len(prompts), BATCH_SIZE)]
        length = max(masks.shape[1] for _, masks in parts)
        feats = np.zeros((len(prompts), length, self.settings.embed_dims), dtype=np.float32)
        masks = np.zeros((len(prompts), length), dtype=bool)
        for number, (part, part_masks) in enumerate(parts):
            rows = slice(number * BATCH_SIZE, number * BATCH_SIZE + len(part))
            feats[rows, :part.shape[1]] = part
            masks[rows, :part.shape[1]] = part_masks
        return feats, masks

    def _encode(self, prompts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        texts = list(prompts)
        if self.settings.bare:
            texts = [bare_prompt(text, self._is_word) for text in texts]
        encodings = self.tokenizer.encode_batch(texts)
        for prompt, encoding in zip(prompts, encodings, strict=True):
            if encoding.overflowing:
                warnings.warn(
                    f'a prompt has more than {self.settings.max_length} tokens; the rest is cut '
                    f'off: {prompt!r}', stacklevel=4)
        inputs = dict(
            input_ids=np.array([item.ids for item in encodings], dtype=np.int64),
            attention_mask=np.array([item.attention_mask for item in encodings], dtype=np.int64),
            special_tokens_mask=np.array(
                [item.special_tokens_mask for item in encodings], dtype=np.int64),
            known_rows=np.array([_row(self.known, prompt) for prompt in prompts], dtype=np.int64))
        feats, masks = self.session.run(
            ['txt_feats', 'txt_masks'],
            {name: value for name, value in inputs.items() if name in self._inputs})
        used = masks.any(axis=0)  # special tokens are nobody's
        return feats[:, used], masks[:, used]

    def _is_word(self, letters: str) -> bool:
        return self.tokenizer.token_to_id(letters) is not None


def _row(known: NameTable, prompt: str) -> int:
    row = known.row_of(prompt)
    return -1 if row is None else row
