"""Whether words ask for what a bank could write down once for all who ask: most of what is said in a chat does not.

By the marks that questions bear, so a need that is told as a story is not seen: docs/knowledge.md says how often.
"""

import re

from knowledge.search.tokenizer import HAN, RUN, bare, plain

# What makes words a question, or a wish.
_ASKS = re.compile(
    "[?？吗嘛啥谁咋怎]|什么(?!的$)|如何|为何|何时|哪(?!都|也|怕|儿都)|(?<![了好])几|多[少久长快大高]|[是能可会]否"
    r"|(.)[不没]\1|(?<!没)有没有|了没有?$|不$|[想要](问|办|开|买|换|查|取|存|借|贷|申请|了解|知道)|咨询"
    r"|(^|[.,;!?] *|\b(and|but|so|hi|hello|morning) )"
    r"(what|which|when|where|why|who|whose|how|can|could|do|does|did|is|are|will|would|should|may)\b"
    r"|\bhow (to|do|can|much|many|long)\b|(?<!n't )\b(want|need|would like|looking for)\b"
)
# A question that wants no answer.
_RHETORIC = re.compile("凭(什么|啥)|[咋怎]么?这么|没有没有|谁知道")
# It goes on from what was said before, so it says nothing by itself.
_GOES_ON = re.compile("^(那|可是?|要是|还是|好|行|嗯|哈|噢|哦|对|(and|so|but|if|then|ok|oh|yes|no|hmm)\\b)")
# It is about the one who answers.
_TO_THE_AGENT = re.compile(r"你(?!们|好)|\b(you (know|see|tell)|(will|can) you|tell you)\b")
# What says nothing of what is asked for: the question's own words, and the small ones.
_SMALL = re.compile(
    "什么|怎么样?|怎样|如何|为什么|多[少久长快]|几[点天时号]|哪[里儿个家些]|能不能|可不可以|行不行|是不是|有没有|要不要|可以|现在|今天|明天|一下"
    "|[吗嘛呢吧啊呀哦噢啦了的么得地着过啥谁咋怎我你您他她它们这那个是在有要能会想就也都还再又很太去来不没好行请问给帮让把被到和跟多几]"
    r"|\b(what|which|when|where|why|who|whose|how|can|could|do|does|did|is|are|am|was|will|would|should|may|have|has|be"
    r"|want|need|like|i|m|you|u|your|he|she|it|its|we|they|my|me|this|that|these|those|there|here|the|an?|to|of|in|on|at"
    r"|for|from|with|and|but|or|so|if|not|no|yes|now|then|ok|okay|sure|really|just|still|any|some|all|much|many|long"
    r"|get|go|ll|s|t|d|didn|don|doesn)s?\b"
)
# So many Chinese characters must be left, or two English words.
_SUBJECT = 3


def asks_for_a_point(text: str) -> bool:
    """Whether a customer's message is a question, stands by itself and is about the bank."""
    words = plain(bare(text)).strip()
    if not _ASKS.search(words) or any(kind.search(words) for kind in (_RHETORIC, _GOES_ON, _TO_THE_AGENT)):
        return False
    left = RUN.findall(_SMALL.sub(" ", words))
    return sum(len(run) if HAN.match(run) else 2 for run in left) >= _SUBJECT
