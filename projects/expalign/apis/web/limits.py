"""How much the page takes, of one visitor and of all of them.

Each is set by an environment variable of its name, see :class:`expalign.limits.Limit`.
"""

from expalign.limits import Limit

PHOTOGRAPH_BYTES = Limit('EXPALIGN_WEB_PHOTOGRAPH_BYTES', 20 * 2**20, 'bytes in a photograph')
PHOTOGRAPH_PIXELS = Limit('EXPALIGN_WEB_PHOTOGRAPH_PIXELS', 25_000_000, 'pixels')
PHOTOGRAPHS = Limit('EXPALIGN_WEB_PHOTOGRAPHS', 24, 'photographs in a gallery')
PROMPTS = Limit('EXPALIGN_WEB_PROMPTS', 1500, 'prompts')
PROMPT_LETTERS = Limit('EXPALIGN_WEB_PROMPT_LETTERS', 300, 'letters in a prompt')
EXAMPLES = Limit('EXPALIGN_WEB_EXAMPLES', 20, 'boxes drawn as examples')
EXAMPLE_PHOTOGRAPHS = Limit(
    'EXPALIGN_WEB_EXAMPLE_PHOTOGRAPHS', 6, 'photographs with examples in a search')
# LVIS, the longest vocabulary that the page offers, has 15,007 with what separates them.
TEXT_BYTES = Limit('EXPALIGN_WEB_TEXT_BYTES', 24_000, 'bytes of prompts')
CALL_BYTES = Limit('EXPALIGN_WEB_CALL_BYTES', 128 * 2**10, 'bytes in a request')
VISITOR_BYTES = Limit('EXPALIGN_WEB_VISITOR_BYTES', 256 * 2**20, 'bytes kept of one visitor')
VISITOR_FILES = Limit('EXPALIGN_WEB_VISITOR_FILES', 200, 'photographs kept of one visitor')
TOTAL_BYTES = Limit('EXPALIGN_WEB_TOTAL_BYTES', 2**30, 'bytes kept of all visitors')
TOTAL_FILES = Limit('EXPALIGN_WEB_TOTAL_FILES', 5000, 'photographs kept of all visitors')
VISITOR_RESULTS = Limit('EXPALIGN_WEB_VISITOR_RESULTS', 48, 'results kept of one visitor')
VISITOR_RESULT_BYTES = Limit(
    'EXPALIGN_WEB_VISITOR_RESULT_BYTES', 128 * 2**20, 'bytes of results kept of one visitor')
RESULTS = Limit('EXPALIGN_WEB_RESULTS', 400, 'results kept of all visitors')
RESULT_BYTES = Limit(
    'EXPALIGN_WEB_RESULT_BYTES', 512 * 2**20, 'bytes of results kept of all visitors')
KEEP_SECONDS = Limit('EXPALIGN_WEB_KEEP_SECONDS', 3600, 'seconds that they are kept')
QUEUE = Limit('EXPALIGN_WEB_QUEUE', 256, 'searches that wait')
VISITOR_QUEUE = Limit('EXPALIGN_WEB_VISITOR_QUEUE', 8, 'searches of one visitor that wait')
DRAWINGS = Limit('EXPALIGN_WEB_DRAWINGS', 512, 'pictures that wait to be drawn')
VISITOR_DRAWINGS = Limit(
    'EXPALIGN_WEB_VISITOR_DRAWINGS', 32, 'pictures of one visitor that wait to be drawn')
UPLOADS = Limit('EXPALIGN_WEB_UPLOADS', 32, 'uploads at a time')
REQUESTS = Limit('EXPALIGN_WEB_REQUESTS', 1000, 'requests at a time')
SECONDS = Limit('EXPALIGN_WEB_SECONDS', 60, 'seconds that sending a request may take')
