"""The two languages of a conversation, `zh` and `en`, and what Django calls them."""


def language_of(tag: str) -> str:
    """`zh` for any kind of Chinese (BCP 47, e.g. `zh-CN`), `en` for everything else."""
    return "zh" if tag.startswith("zh") else "en"


def language_code(language: str) -> str:
    """Django's code for a conversation's language."""
    return "zh-hans" if language_of(language) == "zh" else "en"
