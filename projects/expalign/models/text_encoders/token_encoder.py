"""What every text encoder shares: prompts in, tokens and masks out, each prompt encoded once.

Axis letters: N prompts, L tokens of the longest of them, D token width, T tokens of all.
"""

import hashlib
import json
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from expalign.checkpoints.encoder_fingerprint import encoder_fingerprint
from expalign.models.utils.freeze import FreezableModule
from expalign.models.utils.own_lock import OwnLock
from expalign.models.utils.upload import upload
from expalign.structures.bare_prompt import bare_prompt

from .token_cache import CacheInfo, TokenCache
from .token_disk_cache import MIN_PROMPTS, TokenDiskCache
from .token_pooling import SENTENCE
from .token_rows import TokenRows, gather_rows


class TokenEncoder(FreezableModule):
    """Base of the text encoders; a subclass writes :meth:`encode_batch`.

    A frozen encoder keeps the tokens of the prompts it has seen, on its own device, and forgets
    them when it is moved, cast or given other weights. It computes in full precision whatever
    autocast says, so that what it keeps does not depend on who asked first.

    Args:
        model: A transformers text network.
        tokenizer: Its tokenizer.
        out_channels: Width D of the tokens.
        max_length: Tokens a prompt may have, special tokens included. By default, and at most,
            the smallest limit that tokenizer and network state.
        padding: ``'longest'``, or ``'max_length'`` for networks that were trained on padded input.
        frozen: Whether to freeze the network.
        cache_size: Prompts that a frozen encoder remembers. 10,000 of CLIP ViT-L/14 with 7 tokens
            each take 215 MB.
        batch_size: Prompts encoded at a time.
        cache_dir: Folder in which a frozen encoder keeps the tokens of whole vocabularies (64
            prompts or more) that it encodes for prediction, for later runs; None for none.
        bare: Encode prompts without articles and sentences around them and in the singular, see
            :func:`~expalign.structures.bare_prompt.bare_prompt`; else they are used as given.

    Raises:
        ValueError: The tokenizer does not suit the network.
    """

    # The name of the last token of a prompt, its sentence vector.
    sentence_name = SENTENCE

    def __init__(self, model: nn.Module, tokenizer: Any, out_channels: int,
                 max_length: int | None = None, padding: str = 'longest', frozen: bool = True,
                 cache_size: int = 10000, batch_size: int = 256,
                 cache_dir: str | None = None, bare: bool = False) -> None:
        super().__init__(model, frozen)
        self.tokenizer = tokenizer
        # The start token is first and padding is last, whatever the tokenizer's files say.
        tokenizer.padding_side = tokenizer.truncation_side = 'right'
        self.out_channels = out_channels
        self.padding = padding
        self.batch_size = batch_size
        self.bare = bare
        self.max_length = self._token_limit(max_length)
        self._cache = TokenCache(cache_size if frozen else 0)
        self._kept = TokenRows()
        self._disk_cache = TokenDiskCache(cache_dir) if frozen and cache_dir else None
        self._fingerprint: str | None = None
        self._truncated: set[str] = set()
        # transformers' tokenizers set their padding at every call: two threads would each get the
        # other's.
        self._tokenizing = OwnLock()
        if len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f'{type(self).__name__}: the tokenizer has {len(tokenizer)} tokens, the network '
                f'embeds {model.config.vocab_size}: they do not belong together.')

    def _token_limit(self, max_length: int | None) -> int:
        limit = self.tokenizer.model_max_length
        limit = min(limit, getattr(self.model.config, 'max_position_embeddings', limit))
        if max_length is not None and max_length > limit:
            raise ValueError(f'{type(self).__name__}: max_length={max_length} is more than the '
                             f'{limit} tokens that the encoder takes.')
        return max_length or limit

    def encode_batch(self, texts: list[str]) -> tuple[Tensor, list[int]]:
        """Encode prompts, without any cache.

        Args:
            texts: Distinct prompts, ``batch_size`` at most.

        Returns:
            The tokens (T, D) of one prompt after the other, and how many each has. The last one
            of a prompt is its sentence vector (EOT); one without a word has that one alone.
        """
        raise NotImplementedError

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode prompts, each distinct one once.

        Args:
            texts: N prompts; they may repeat.

        Returns:
            tokens: (N, L, D) float32, zero where masked.
            token_masks: (N, L) bool. The last True of a row is the sentence vector (EOT).

        Raises:
            TypeError: ``texts`` is not a sequence of strings.
            ValueError: There is no prompt.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f'{type(self).__name__} takes a list of prompts, got {texts!r}.')
        if not texts:
            raise ValueError(f'{type(self).__name__} got an empty list of prompts.')
        texts = self.bare_texts(texts)
        # In training, prompts are drawn anew for every batch: no vocabulary to come back to.
        use_disk = self._disk_cache is not None and not torch.is_grad_enabled()
        with self._encoding_context():
            if not self.frozen:
                return self._encode_trained(texts)
            with self._kept.lock:
                rows, dropped = self._find_or_encode(list(dict.fromkeys(texts)), use_disk)
                found = self._kept.gather([rows[text] for text in texts])
                for unused in dropped:
                    self._kept.free(unused)
            return found

    def token_strings(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the tokens of N prompts as text, each list as long as its row of masks has Trues.

        The sentence vector is ``<sentence>``, CLIP's end-of-text token ``<eot>``.
        """
        batch = self.tokenize_on_host(self.bare_texts(texts))
        keep = batch['attention_mask'].astype(bool) & ~batch['special_tokens_mask'].astype(bool)
        words = (self.tokenizer.convert_ids_to_tokens(ids[kept].tolist())
                 for ids, kept in zip(batch['input_ids'], keep, strict=True))
        # Without the marks of words' ends (CLIP) and beginnings (sentencepiece).
        return [[*(word.replace('</w>', '').replace('\u2581', '') for word in row),
                 self.sentence_name] for row in words]

    def bare_texts(self, texts: Sequence[str]) -> list[str]:
        """Return what is encoded of N prompts: they themselves, or their bare forms."""
        if not self.bare:
            return list(texts)
        return [bare_prompt(text, self._words.__contains__) for text in texts]

    @cached_property
    def _words(self) -> frozenset[str]:
        """What the tokenizer does not split."""
        return frozenset(self.tokenizer.get_vocab())

    def _find_or_encode(
        self, texts: list[str], use_disk: bool
    ) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Return the rows of distinct prompts, encoding new ones, and rows that the cache drops.

        Among the latter may be some of this very call.
        """
        found = self._cache.get(texts)
        missing = [text for text in texts if found[text] is None]
        if not missing:
            return found, []
        encode = self._encode_or_load if use_disk and len(missing) >= MIN_PROMPTS else self._encode
        found |= zip(missing, self._kept.add(*encode(missing)), strict=True)
        dropped = [self._cache.put(text, found[text]) for text in missing]
        return found, [rows for rows in dropped if rows is not None]

    def _encode_trained(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """:meth:`forward` of an encoder that keeps nothing."""
        distinct = list(dict.fromkeys(texts))
        self._cache.get(distinct)  # counted
        tokens, lengths = self._encode(distinct)
        rows = np.split(np.arange(1, len(tokens) + 1), np.cumsum(lengths)[:-1])
        rows = dict(zip(distinct, rows, strict=True))
        table = torch.cat([torch.zeros_like(tokens[:1]), tokens])
        return gather_rows(table, [rows[text] for text in texts])

    def _encode(self, texts: list[str]) -> tuple[Tensor, list[int]]:
        """Encode in chunks; prompts of like length share one, which saves padding."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        chunks, lengths = [], np.zeros(len(texts), dtype=np.int64)
        for start in range(0, len(order), self.batch_size):
            chosen = order[start:start + self.batch_size]
            tokens, lengths[chosen] = self.encode_batch([texts[index] for index in chosen])
            chunks.append(tokens.float())
        ends = lengths[order].cumsum()
        starts = np.empty_like(ends)
        starts[order] = ends - lengths[order]
        rows = [np.arange(start, start + length)
                for start, length in zip(starts, lengths, strict=True)]
        tokens = torch.cat(chunks)
        return tokens[upload(np.concatenate(rows), tokens.device)], lengths.tolist()

    def _encode_or_load(self, texts: list[str]) -> tuple[Tensor, list[int]]:
        """Take the tokens from the disk, or encode and write them."""
        if self._fingerprint is None:
            self._fingerprint = encoder_fingerprint(
                self.model.state_dict(), self.cache_settings())
        with self._tokenizing:
            ids = self.tokenizer(texts, truncation=True, max_length=self.max_length)['input_ids']
        tokenized = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
        encoder = f'{self._fingerprint} {tokenized}'
        tokens = self._disk_cache.load(encoder, texts)
        if tokens is None:
            flat, lengths = self._encode(texts)
            self._disk_cache.save(encoder, texts, flat.split(lengths))
            return flat, lengths
        return torch.cat(tokens).to(self.device), [len(rows) for rows in tokens]

    def cache_settings(self) -> dict[str, Any]:
        """Return what the tokens depend on, besides the weights and the tokenizer's ids."""
        return dict(encoder=type(self).__name__, network=self.model.config.to_dict(),
                    padding=self.padding, max_length=self.max_length)

    def _encoding_context(self) -> ExitStack:
        stack = ExitStack()
        if self.frozen:
            # Tensors made under inference mode could not be used for training later on.
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.autocast(self.device.type, enabled=False))
        stack.enter_context(self.grad_context())
        return stack

    def tokenize(self, texts: list[str]) -> dict[str, Tensor]:
        """Return what :meth:`tokenize_on_host` does, on the encoder's device."""
        return {name: upload(ids, self.device)
                for name, ids in self.tokenize_on_host(texts).items()}

    def tokenize_on_host(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Return what the tokenizer gives for the prompts, (n, L') each.

        The first time that a prompt is cut, a warning names it.
        """
        with self._tokenizing:
            batch = self.tokenizer(
                texts, padding=self.padding, truncation=True, max_length=self.max_length,
                return_attention_mask=True, return_special_tokens_mask=True, return_tensors='np')
        for row in np.flatnonzero(batch['attention_mask'].sum(1) == self.max_length):
            self._warn_if_cut(texts[row])
        return dict(batch)

    def select(self, states: Tensor, keep: np.ndarray) -> tuple[Tensor, list[int]]:
        """Return of states (n, L', D) those to keep (n, L'), as :meth:`encode_batch` does."""
        index = upload(np.flatnonzero(keep), states.device)
        return states.flatten(0, 1)[index], keep.sum(1).tolist()

    def _warn_if_cut(self, text: str) -> None:
        with self._tokenizing:
            length = len(self.tokenizer(text, verbose=False)['input_ids'])
        if length > self.max_length and text not in self._truncated:
            self._truncated.add(text)
            warnings.warn(
                f'{type(self).__name__}: a prompt has {length} tokens, {self.max_length} is the '
                f'limit; the rest is cut off: {text!r}', UserWarning, stacklevel=2)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def cache_info(self) -> CacheInfo:
        """Return how many prompts were found in the cache and how many were encoded."""
        return self._cache.info()

    def _apply(self, fn: Any, recurse: bool = True) -> 'TokenEncoder':
        self._forget()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def _forget(self) -> None:
        with self._kept.lock:
            self._cache.clear()
            self._kept.clear()
        self._fingerprint = None
