"""What becomes of words on their way in, whoever wrote them; nothing else changes them. docs/text.md tells it."""


def clean_text(text: str) -> str:
    """Without NUL, which PostgreSQL cannot store, and without white space around; half characters as U+FFFD."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "").strip()


def clean_line(text: str, longest: int) -> str:
    """For names and titles: besides, every run of white space as one blank, and cut."""
    return " ".join(clean_text(text).split())[:longest].rstrip()
