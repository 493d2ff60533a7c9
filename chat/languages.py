"""The two languages of a conversation, `zh` and `en`, and Django's codes for them."""


def language_of(tag: str) -> str:
    """Return `zh` for any BCP 47 tag of Chinese (e.g. `zh-CN`), `en` for any other tag."""
    return "zh" if tag.startswith("zh") else "en"


def language_code(language: str) -> str:
    """Return Django's code for the language of a conversation."""
    return "zh-hans" if language_of(language) == "zh" else "en"
