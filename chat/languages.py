"""The two languages of a conversation, `zh` and `en`, and Django's codes for them."""


def language_of(tag: str) -> str:
    """Return `zh` for a BCP 47 tag of any Chinese language, such as `zh-CN`, and `en` for any other tag."""
    return "zh" if tag.startswith("zh") else "en"


def language_code(language: str) -> str:
    """Return Django's language code for the language of a conversation, `zh` or `en`."""
    return "zh-hans" if language_of(language) == "zh" else "en"
