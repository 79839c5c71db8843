"""CLIP's text tower, one vector per token."""

from torch import Tensor

from expalign.models.utils.pretrained import config_from_dict, load_pretrained, load_tokenizer
from expalign.models.utils.upload import upload
from expalign.registry import MODELS

from .token_encoder import TokenEncoder


@MODELS.register_module()
class CLIPTokenEncoder(TokenEncoder):
    """Token-level CLIP text features.

    Text transformer, final layer norm, then the text projection applied to *every* token. Kept
    are the tokens after the start token up to and including end-of-text (EOT), which comes last
    and is CLIP's sentence embedding before normalisation. Prompts are used as given, without a
    template.

    Args:
        model: Hub name, local folder or ``'package:NAME/SUBFOLDER'`` of a CLIP model in
            transformers' format (the full model or the text tower with projection); or a dict of
            ``CLIPTextConfig`` arguments for a randomly initialised tower.
        tokenizer: Where the tokenizer is; by default beside the model. Required with a dict.
        frozen: Whether to freeze the tower.
        kwargs: ``max_length``, ``cache_size``, ``batch_size``, ``cache_dir`` of
            :class:`TokenEncoder`.

    Raises:
        PretrainedModelError: Weights or tokenizer cannot be had.
        ValueError: A dict without a tokenizer, or a tokenizer that is not CLIP's.
    """

    sentence_name = '<eot>'

    def __init__(self, model: str | dict = 'openai/clip-vit-large-patch14',
                 tokenizer: str | None = None, frozen: bool = True, **kwargs) -> None:
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection
        owner = type(self).__name__
        if isinstance(model, dict):
            if tokenizer is None:
                raise ValueError(f'{owner}: a model given as a dict needs a tokenizer=...')
            network = CLIPTextModelWithProjection(config_from_dict(CLIPTextConfig, model, owner))
        else:
            network = load_pretrained(CLIPTextModelWithProjection, model, f'{owner}(model=...)')
        tokens = load_tokenizer(tokenizer or model, f'{owner}(tokenizer=...)')
        if tokens('')['input_ids'] != [tokens.bos_token_id, tokens.eos_token_id]:
            raise ValueError(f"{owner}: {tokenizer or model!r} has no CLIP tokenizer: it does not "
                             'put a start and an end token around a prompt.')
        super().__init__(network, tokens, network.config.projection_dim, frozen=frozen, **kwargs)

    def encode_batch(self, texts: list[str]) -> tuple[Tensor, list[int]]:
        """Encode prompts; see :meth:`TokenEncoder.encode_batch`."""
        batch = self.tokenize_on_host(texts)
        ids, present = (
            upload(batch[name], self.device) for name in ('input_ids', 'attention_mask'))
        states = self.model.text_model(input_ids=ids, attention_mask=present)
        tokens = self.model.text_projection(states.last_hidden_state)  # (n, L', D)
        # The mask, not the ids, tells EOT from padding: CLIP's tokenizer pads with EOT.
        keep = batch['attention_mask'].astype(bool)
        keep[:, 0] = False
        return self.select(tokens, keep)
