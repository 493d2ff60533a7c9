"""The cleaning of all incoming text, from visitors and staff alike; docs/text.md describes it. Nothing else changes
text."""


def clean_text(text: str) -> str:
    """Return the text without NUL (PostgreSQL cannot store it) and without surrounding white space.

    Each lone surrogate becomes U+FFFD.
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "").strip()


def clean_line(text: str, longest: int) -> str:
    """Return a name or title cleaned by `clean_text`, with each run of white space as one space, cut to `longest`
    characters."""
    return " ".join(clean_text(text).split())[:longest].rstrip()
