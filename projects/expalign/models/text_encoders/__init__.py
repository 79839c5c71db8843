"""Text encoders (one vector per token) and the adapter that follows them."""

from .clip_token_encoder import CLIPTokenEncoder
from .hf_token_encoder import HFTokenEncoder
from .known_names import KnownNames
from .prompt_vectors import PromptVectorEncoder
from .text_adapter import TextAdapter
from .text_normalizer import TextNormalizer
from .token_cache import CacheInfo
from .token_disk_cache import TokenDiskCache
from .token_encoder import TokenEncoder
from .tuned_prompts import TunedPrompts

__all__ = [
    'CLIPTokenEncoder', 'CacheInfo', 'HFTokenEncoder', 'KnownNames', 'PromptVectorEncoder',
    'TextAdapter', 'TextNormalizer', 'TokenDiskCache', 'TokenEncoder', 'TunedPrompts',
]
