"""The cleaning of all text that visitors and staff enter; docs/text.md describes it. Stored text is never changed."""


def clean_text(text: str) -> str:
    """Return the text without NUL characters and without surrounding white space.

    PostgreSQL cannot store NUL. Each lone surrogate becomes U+FFFD.
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "").strip()


def clean_line(text: str, longest: int) -> str:
    """Return a name or title cleaned by `clean_text`, on one line and cut to `longest` characters.

    Each run of white space becomes one space.
    """
    return " ".join(clean_text(text).split())[:longest].rstrip()
