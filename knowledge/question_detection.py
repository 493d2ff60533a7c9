"""Detects visitors' questions that one knowledge point could answer for everybody. Most messages are not such
questions.

The detection looks for the usual signs of a question. It misses requests that are told as a story; docs/knowledge.md
has figures.
"""

import re

from knowledge.search.tokenizer import HAN, RUN, normalize, without_courtesy

# Signs of a question or a request.
_QUESTION = re.compile(
    "[?？吗嘛啥谁咋怎]|什么(?!的$)|如何|为何|何时|哪(?!都|也|怕|儿都)|(?<![了好])几|多[少久长快大高]|[是能可会]否"
    r"|(.)[不没]\1|(?<!没)有没有|了没有?$|不$|[想要](问|办|开|买|换|查|取|存|借|贷|申请|了解|知道)|咨询"
    r"|(^|[.,;!?] *|\b(and|but|so|hi|hello|morning) )"
    r"(what|which|when|where|why|who|whose|how|can|could|do|does|did|is|are|will|would|should|may)\b"
    r"|\bhow (to|do|can|much|many|long)\b|(?<!n't )\b(want|need|would like|looking for)\b"
)
# Rhetorical questions.
_RHETORICAL = re.compile("凭(什么|啥)|[咋怎]么?这么|没有没有|谁知道")
# Openings of a message that continues an earlier one and cannot be understood alone.
_CONTINUATION = re.compile(
    "^(那|可是?|要是|还是|好|行|嗯|哈|噢|哦|对|(and|so|but|if|then|ok|oh|yes|no|hmm)\\b)"
)
# Questions to or about the agent.
_ABOUT_THE_AGENT = re.compile(r"你(?!们|好)|\b(you (know|see|tell)|(will|can) you|tell you)\b")
# Question words and other stop words, which do not name a topic.
_STOP_WORDS = re.compile(
    "什么|怎么样?|怎样|如何|为什么|多[少久长快]|几[点天时号]|哪[里儿个家些]|能不能|可不可以|行不行|是不是|有没有|要不要|可以|现在|今天|明天|一下"
    "|[吗嘛呢吧啊呀哦噢啦了的么得地着过啥谁咋怎我你您他她它们这那个是在有要能会想就也都还再又很太去来不没好行请问给帮让把被到和跟多几]"
    r"|\b(what|which|when|where|why|who|whose|how|can|could|do|does|did|is|are|am|was|will|would|should|may|have|has|be"
    r"|want|need|like|i|m|you|u|your|he|she|it|its|we|they|my|me|this|that|these|those|there|here|the|an?|to|of|in|on|at"
    r"|for|from|with|and|but|or|so|if|not|no|yes|now|then|ok|okay|sure|really|just|still|any|some|all|much|many|long"
    r"|get|go|ll|s|t|d|didn|don|doesn)s?\b"
)
# After the stop words are removed, at least this much must be left. A Chinese character counts as one, an English word
# as two.
_MIN_TOPIC_LENGTH = 3


def asks_for_a_point(text: str) -> bool:
    """Return whether a visitor's message is a question that can be understood alone and names a topic."""
    question = normalize(without_courtesy(text)).strip()
    if not _QUESTION.search(question) or any(
        pattern.search(question) for pattern in (_RHETORICAL, _CONTINUATION, _ABOUT_THE_AGENT)
    ):
        return False
    topic = RUN.findall(_STOP_WORDS.sub(" ", question))
    return sum(len(run) if HAN.match(run) else 2 for run in topic) >= _MIN_TOPIC_LENGTH
